"""Git's filter for notebooks: an executed one counts as unchanged. ``make lab`` sets it up, see CONTRIBUTING.md."""

import json
import sys

notebook = json.load(sys.stdin)
for cell in notebook["cells"]:
    if cell["cell_type"] == "code":
        cell |= {"execution_count": None, "outputs": []}
    cell["metadata"] = {name: cell["metadata"][name] for name in ("alt", "caption", "tags") if name in cell["metadata"]}
about = {name: value for name, value in notebook["metadata"].items() if name == "code"}
notebook["metadata"] = about | {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
json.dump(notebook, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
print()
