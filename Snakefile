# Sweeps: every task, recipe and seed is one papermill run; what has a result is not run again.
#   snakemake -c2                                        all tasks, recipe improved, seeds 0-4
#   snakemake -c2 --config tasks=3bp_color seeds=0,1     some of them
#   snakemake --executor slurm --jobs 25                 on a cluster (see README)
#   snakemake -c2 --config options=coordinates=released results=reports/released    with other options
from pig_core.tasks import TASKS


RESULTS = config.get("results", "reports/results")
FOLDER = "sweep" if RESULTS == "reports/results" else "sweep-" + RESULTS.strip("/").replace("/", "-")


def chosen(name, default):
    return str(config.get(name, default)).split(",")


if config.get("options") and "results" not in config:
    raise ValueError("runs with other options need a folder of their own for results: --config results=<folder>")


wildcard_constraints:
    task="|".join(TASKS),
    seed=r"\d+",


rule all:
    input:
        expand(
            RESULTS + "/{task}-{recipe}-s{seed}.json",
            task=chosen("tasks", ",".join(TASKS)),
            recipe=chosen("recipes", "improved"),
            seed=chosen("seeds", "0,1,2,3,4"),
        ),


rule run:
    output:
        metrics=RESULTS + "/{task}-{recipe}-s{seed}.json",
        curves=RESULTS + "/curves/{task}-{recipe}-s{seed}.json",
    params:
        folder="reports/runs/{task}/" + FOLDER + "-{recipe}-s{seed}",
        options=" ".join(f"-p {option.replace('=', ' ')}" for option in chosen("options", "") if option),
    threads: 2
    retries: 1  # parallel notebook kernels now and then ask for the same port
    shell:
        "mkdir -p {params.folder} && OMP_NUM_THREADS={threads} papermill notebooks/train.ipynb"
        " {params.folder}/train.ipynb -k python3 --no-progress-bar -p task {wildcards.task}"
        " -p recipe {wildcards.recipe} -p seed {wildcards.seed} -p save_dir {params.folder} -p overwrite True"
        " {params.options} && cp {params.folder}/curves.json {output.curves}"
        " && cp {params.folder}/metrics.json {output.metrics}"
