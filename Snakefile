# Sweeps: every task, recipe and seed is one papermill run; a run that its table holds is not run again.
#   snakemake -c2                                        all tasks, recipe improved, seeds 0-4
#   snakemake -c2 --config tasks=3bp_color seeds=0,1     some of them
#   snakemake -c2 --config study=without threads=1       a comparison of pig_lab/studies/studies.py
#   snakemake --executor slurm --jobs 25                 on a cluster (see README)
#   snakemake -c2 --config options=coordinates=released results=reports/released    with other options
import shlex
from pathlib import Path

from pig_core.tasks import TASKS
from pig_lab.studies.studies import STUDIES, missing


RESULTS = config.get("results", "reports/results")
STUDY = config.get("study", "sweep")


def chosen(name, default):
    return str(config.get(name, default)).split(",")


def wanted():
    """What names each wanted run, with its options."""
    if "study" in config:
        if STUDY not in STUDIES:
            raise ValueError(f"there is no study {STUDY!r}; allowed: {', '.join(STUDIES)}")
        if extra := {"tasks", "recipes", "seeds", "options"} & config.keys():
            raise ValueError(f"a study says itself what runs: leave out {', '.join(sorted(extra))}")
        return list(STUDIES[STUDY].runs())
    if config.get("options") and "results" not in config:
        raise ValueError("runs with other options need a folder of their own for results: --config results=<folder>")
    pairs = [option.partition("=") for option in chosen("options", "") if option]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise ValueError(f"options are written name=value,name=value: {', '.join(wrong) or '(nothing)'} has no value")
    options = {name: value for name, _, value in pairs}
    return [
        ({"variant": "", "task": task, "recipe": recipe, "seed": int(seed)}, options)
        for task in chosen("tasks", ",".join(TASKS))
        for recipe in chosen("recipes", "improved")
        for seed in chosen("seeds", "0,1,2,3,4")
    ]


def run_folder(key):
    parts = [part for part in (*Path(RESULTS).parts, *([STUDY, key["variant"]] if "study" in config else [])) if part]
    group = "-".join(["sweep", *parts[2 * (Path(RESULTS) == Path("reports/results")) :]])
    return f"reports/runs/{key['task']}/{group}-{key['recipe']}-s{key['seed']}"


# The mark of a run that was added to its table -> what names the run, and its options.
TARGETS = {f"{run_folder(key)}/added": (key, options) for key, options in missing(STUDY, wanted(), Path(RESULTS))}
for mark in TARGETS:  # the table does not hold the run (any more): run it again
    Path(mark).unlink(missing_ok=True)


def command(wildcards):
    """A run as a notebook, or, in a study, where hundreds of notebooks are of no use, without one."""
    key, options = TARGETS[f"{wildcards.folder}/added"]
    about = {name: key[name] for name in ("task", "recipe", "seed")}
    values = {**about, "overwrite": True, "save_dir": wildcards.folder, **options}.items()
    if "study" in config:
        return "python -m pig_core " + " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in values)
    return f"papermill notebooks/train.ipynb {wildcards.folder}/train.ipynb -k python3 --no-progress-bar " + " ".join(
        f"-p {name} {shlex.quote(str(value))}" for name, value in values
    )


def kept(wildcards):
    """The run's variant, and the images that the report needs of a study's first seed."""
    key, _ = TARGETS[f"{wildcards.folder}/added"]
    names = STUDIES[STUDY].keep if "study" in config and key["seed"] == STUDIES[STUDY].seeds[0] else ()
    return " ".join(["--variant", shlex.quote(key["variant"]), *(["--images", *names] if names else [])])


wildcard_constraints:
    folder=r"reports/runs/.+",


rule all:
    input:
        list(TARGETS),


rule run:
    output:
        touch("{folder}/added"),
    params:
        command=command,
        kept=kept,
    threads: int(config.get("threads", 2))
    retries: 1  # parallel notebook kernels now and then ask for the same port
    shell:
        "mkdir -p {wildcards.folder} && OMP_NUM_THREADS={threads} {params.command}"
        " && python -m pig_core keep {wildcards.folder} --study {STUDY} {params.kept} --into {RESULTS}"
