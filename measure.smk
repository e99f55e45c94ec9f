# Clips to constants, one process a clip; what was measured is not measured again, what failed is said in the table and
# tried again the next time (with --keep-going the others are measured all the same).
#   make measure VIDEOS="lab/*.mp4"
#   snakemake -c2 -s measure.smk --config videos="lab/*.mp4" options="--known g=9.81" folder=reports/runs/measure
import glob
from pathlib import Path

from pig_lab.measure.demo import DEMO


FOLDER = Path(config.get("folder", "reports/runs/measure"))
VIDEOS = sorted(glob.glob(config["videos"])) if config.get("videos") else [str(DEMO)]
if not VIDEOS:
    raise ValueError(f"no file is called {config['videos']}")
# Two clips of one name in two folders keep apart.
NAMED = {}
for video in VIDEOS:
    name = Path(video).stem
    while name in NAMED:
        name += "_"
    NAMED[name] = video


FOLDERS = [str(FOLDER / name) for name in NAMED]
DONE = [f"{folder}/done" for folder in FOLDERS]
TABLE = "python -m pig_core measure --table {page:q} {folders:q}"


onerror:
    page, folders = str(FOLDER / "index.html"), FOLDERS
    shell(TABLE)


# The table that was made in spite of a failed clip must not hide that clip: each is asked for.
rule all:
    input:
        DONE,
        str(FOLDER / "index.html"),


rule table:
    input:
        DONE,
    output:
        str(FOLDER / "index.html"),
    params:
        page=str(FOLDER / "index.html"),
        folders=FOLDERS,
    shell:
        TABLE.replace("{", "{params.")


rule measure:
    input:
        lambda wildcards: NAMED[wildcards.name],
    output:
        str(FOLDER / "{name}" / "done"),
    params:
        folder=lambda wildcards: str(FOLDER / wildcards.name),
        options=config.get("options") or "",  # an empty one comes as None
    wildcard_constraints:
        name="[^/]+",
    shell:
        "mkdir -p {params.folder:q};"
        " OMP_NUM_THREADS=1 python -m pig_core measure {input:q} --save_dir {params.folder:q} {params.options}"
        " 2> {params.folder:q}/failed.txt || {{ cat {params.folder:q}/failed.txt >&2; exit 1; }};"
        " rm {params.folder:q}/failed.txt; touch {output:q}"
