# Sweeps: every task, recipe and seed is one papermill run; what has a result is not run again.
#   snakemake -c2                                        all tasks, recipe improved, seeds 0-4
#   snakemake -c2 --config tasks=3bp_color seeds=0,1     some of them
#   snakemake -c2 --config study=without threads=1       a comparison of pig_lab/studies/studies.py
#   snakemake --executor slurm --jobs 25                 on a cluster (see README)
#   snakemake -c2 --config options=coordinates=released results=reports/released    with other options
import shlex

from pig_lab.studies.studies import STUDIES
from pig_core.tasks import TASKS


RESULTS = config.get("results", "reports/results")


def chosen(name, default):
    return str(config.get(name, default)).split(",")


def targets():
    """Result files that are wanted, with the options of each run."""
    if "study" in config:
        if config["study"] not in STUDIES:
            raise ValueError(f"there is no study {config['study']!r}; allowed: {', '.join(STUDIES)}")
        if beside := {"tasks", "recipes", "seeds", "options"} & config.keys():
            raise ValueError(f"a study says itself what runs: leave out {', '.join(sorted(beside))}")
        return dict(STUDIES[config["study"]].runs(f"{RESULTS}/{config['study']}"))
    if config.get("options") and "results" not in config:
        raise ValueError("runs with other options need a folder of their own for results: --config results=<folder>")
    pairs = [option.partition("=") for option in chosen("options", "") if option]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise ValueError(f"options are written name=value,name=value: {', '.join(wrong) or '(nothing)'} has no value")
    options = {name: value for name, _, value in pairs}
    names = expand(
        RESULTS + "/{task}-{recipe}-s{seed}.json",
        task=chosen("tasks", ",".join(TASKS)),
        recipe=chosen("recipes", "improved"),
        seed=chosen("seeds", "0,1,2,3,4"),
    )
    return {name: options for name in names}


TARGETS = targets()


def run_folder(wildcards):
    group = "sweep" if wildcards.folder == "reports/results" else "sweep-" + wildcards.folder.strip("/").replace("/", "-")
    return f"reports/runs/{wildcards.task}/{group}-{wildcards.recipe}-s{wildcards.seed}"


def command(wildcards):
    """A run as a notebook, or, in a study, where hundreds of notebooks are of no use, without one."""
    options = TARGETS["{folder}/{task}-{recipe}-s{seed}.json".format(**dict(wildcards))]
    about = {"task": wildcards.task, "recipe": wildcards.recipe, "seed": wildcards.seed, "overwrite": True}
    values = {**about, "save_dir": run_folder(wildcards), **options}.items()
    if "study" in config:
        return "python -m pig_core " + " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in values)
    return f"papermill notebooks/train.ipynb {run_folder(wildcards)}/train.ipynb -k python3 --no-progress-bar " + " ".join(
        f"-p {name} {shlex.quote(str(value))}" for name, value in values
    )


def kept(wildcards):
    """Files that the report needs of a study's first seed."""
    study = STUDIES.get(config.get("study"))
    return study.keep if study and int(wildcards.seed) == study.seeds[0] else ()


wildcard_constraints:
    folder=r"(?!.*curves$).+",
    task="|".join(TASKS),
    recipe=r"\w+",
    seed=r"\d+",


rule all:
    input:
        list(TARGETS),


rule run:
    output:
        metrics="{folder}/{task}-{recipe}-s{seed}.json",
        curves="{folder}/curves/{task}-{recipe}-s{seed}.json",
    params:
        folder=run_folder,
        command=command,
        kept=lambda wildcards: " ".join(f"{run_folder(wildcards)}/{name}" for name in kept(wildcards)),
    threads: int(config.get("threads", 2))
    retries: 1  # parallel notebook kernels now and then ask for the same port
    shell:
        "mkdir -p {params.folder} && OMP_NUM_THREADS={threads} {params.command}"
        " && for kept in {params.kept}; do cp $kept {wildcards.folder}/; done"
        " && cp {params.folder}/curves.json {output.curves} && cp {params.folder}/metrics.json {output.metrics}"
