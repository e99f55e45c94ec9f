"""Options: recipes, refusals, and the command line that takes them."""

import dataclasses
import subprocess
import sys
from typing import get_args

import pytest

from pig_core.__main__ import main
from pig_core.build import DECODERS, VELOCITIES, build_model
from pig_core.config import (
    AUTHORS_DEFAULTS,
    AUTHORS_NAMES,
    PARTS,
    RECIPES,
    Config,
    differing,
    make_config,
    saved_config,
    task_of,
)
from pig_core.decoder import PLACEMENTS
from pig_core.system import ConfigError, fact, fields_of, from_command_line
from pig_core.tasks import TASKS
from pig_core.training import OPTIMIZERS
from pig_lab.baselines import BLACK_BOXES


def test_paper_values_are_the_specifications():
    rates = {"bouncing_balls": 3e-4, "spring_color": 6e-4, "spring_color_half": 6e-4, "3bp_color": 1e-3}
    rates["mnist_spring_color"] = 6e-4
    weights = {"bouncing_balls": 2, "spring_color": 3, "spring_color_half": 3, "mnist_spring_color": 3, "3bp_color": 5}
    for task in TASKS:
        config = make_config(task, "paper")
        assert (config.base_lr, config.autoencoder_loss) == (rates[task], weights[task])
        assert (config.epochs, config.batch_size, config.optimizer) == (500, 100, "rmsprop")
        assert config.locality_steps == config.decoder_steps == config.vision_steps == config.dynamics_steps == 0


def test_none_means_as_the_recipe_says():
    assert make_config(recipe="paper", epochs=None).epochs == 500
    assert make_config(recipe="paper", epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"task": "spring_colour"}, "task must be one of bouncing_balls, .*did you mean 'spring_color'"),
        ({"recipe": "best"}, "recipe must be one of improved, paper, got 'best'"),
        ({"bathc_size": 3}, r"unknown option 'bathc_size'; did you mean 'batch_size'\?. Allowed: task, recipe, seed"),
        ({"color": "maybe"}, "color must be True or False, got 'maybe'"),
        ({"color": 0}, "color must be True or False, got 0"),
        ({"seed": True}, "seed must be a whole number of at least 0 and at most 4294967295, got True"),
        ({"seed": 1.5}, "seed must be a whole number of at least 0 and at most 4294967295, got 1.5"),
        ({"batch_size": -100}, "batch_size must be a whole number of at least 1, got -100"),
        ({"batch_size": "100"}, "batch_size must be a whole number .*got '100'"),
        ({"base_lr": 0}, "base_lr must be a number above 0"),
        ({"base_lr": float("nan")}, "base_lr must be a number above 0, got nan"),
        ({"save_dir": 7}, "save_dir must be a text, got 7"),
        ({"optimizer": "none"}, "optimizer must be one of adam, rmsprop, momentum, sgd"),
        ({"truth": "g=3"}, "spring_color allows k=<positive number>, l=<positive number>"),
        ({"truth": "k=-1"}, "truth has 'k=-1'"),
        ({"truth": "l"}, "truth has 'l'"),
        ({"task": "bouncing_balls", "truth": "k=4"}, "the task has no parameters"),
        ({"cell_type": "lstm"}, "cannot run backwards in time"),
        ({"training_signal": "separate"}, "training_signal separate needs the stage joint: set epochs above 0"),
        ({"seed": 10**20}, "seed must be a whole number of at least 0 and at most 4294967295"),
        ({"cell_type": "video_lstm"}, "cell_type video_lstm has no objects: set locality_steps, "),
    ],
)
def test_bad_options_are_refused_by_name(options, says):
    with pytest.raises(ConfigError, match=says) as caught:
        make_config(**options)
    assert "\n" not in str(caught.value)


def test_choices_are_the_names_of_what_there_is_to_choose():
    registries = {
        "recipe": RECIPES,
        "decoder_type": DECODERS,
        "coordinates": PLACEMENTS,
        "velocity_type": {"difference_mlp", *VELOCITIES},
        "cell_type": {"task", "video_lstm", *BLACK_BOXES},
        "optimizer": OPTIMIZERS,
    }
    for name, registry in registries.items():
        assert set(get_args(fields_of(Config)[name].annotation)) == set(registry), name


def test_every_option_states_what_it_shapes():
    assert {fact(field, "part") for field in fields_of(Config).values()} == set(PARTS)
    assert all(field.description for field in fields_of(Config).values())
    plain = make_config()
    assert differing(plain, make_config(seed=1, truth="k=3", save_dir="x"), "training", "data") == ["seed", "truth"]
    assert differing(plain, make_config(print_interval=3, save_dir="x"), "model", "data", "training") == []


def test_all_23_option_names_of_the_authors_are_accepted():
    line = (
        "--task=3bp_color --epochs=3 --batch_size=20 --save_dir=x --nouse_ckpt --ckpt_dir= --base_lr=1e-4 "
        "--noanneal_lr --optimizer=sgd --save_every_n_epochs=2 --eval_every_n_epochs=2 --print_interval=5 --debug "
        "--notest_mode --recurrent_units=50 --lstm_layers=2 --cell_type=gravity_ode_cell --encoder_type=conv_encoder "
        "--decoder_type=conv_st_decoder --autoencoder_loss=2 --alt_vel=False --nocolor --datapoints=100"
    )
    given = from_command_line(Config, line.split(), "program", "about", AUTHORS_NAMES)
    assert len(given) == 23
    assert make_config(**given).epochs == 3
    assert {*given, "model"} == set(AUTHORS_DEFAULTS)
    assert make_config(recipe="paper", alt_vel=True).velocity_type == "linear"
    assert make_config(color="false", use_ckpt="true") == make_config(color=False, use_ckpt=True)  # from papermill


def test_options_of_a_run_are_read_again_and_unknown_ones_refused():
    values = dataclasses.asdict(make_config("3bp_color", seed=4))
    assert saved_config(values) == make_config("3bp_color", seed=4)
    del values["unet_precision"]  # as if the version that wrote them had not had it
    assert saved_config(values) == make_config("3bp_color", seed=4)
    with pytest.raises(ConfigError, match="other options: colour"):
        saved_config({**values, "colour": True})


def test_a_task_is_a_value_that_is_not_looked_up_again():
    three = dataclasses.replace(TASKS["spring_color"], n_objects=3, name="three")
    config = make_config(three)
    assert task_of(config, three).n_objects == 3
    assert task_of(dataclasses.replace(config, truth="k=2"), three).truth == {"k": 2.0, "l": 6.0}
    assert TASKS["spring_color"].truth == {"k": 4.0, "l": 6.0}
    assert build_model(config, three).decoder.template().shape[0] == 3


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "pig_core", *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "spring"], "ConfigError: task must be"),
        (["--seed", "-1"], "ConfigError: seed must be a whole number of at least 0 and at most 4294967295, got -1"),
        (["--seed", "one"], "seed must be a whole number of at least 0 and at most 4294967295, got 'one'"),
        (["--color", "maybe"], "color must be True or False, got 'maybe'"),
        (["--bathc_size", "3"], "unknown argument --bathc_size; did you mean 'batch_size'?"),
        (["--data_dir", "/nowhere"], "DataError: data file /nowhere/spring_color/"),
        (["--test_mode", "--save_dir", "."], "RunError: test_mode evaluates a checkpoint: set use_ckpt=True"),
    ],
)
def test_the_command_line_refuses_in_one_sentence(arguments, says, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "color"),
    [("--color False", False), ("--color=false", False), ("--nocolor", False), ("--color", True), ("", True)],
)
def test_a_flag_may_be_bare_negated_or_have_a_value(arguments, color):
    given = from_command_line(Config, [*arguments.split(), "--seed=3"], "program", "about")
    assert make_config(**given) == make_config(color=color, seed=3)


def test_the_command_line_explains_every_option():
    text = command("train", "--help").stdout
    assert all(f"--{field.name} " in text for field in dataclasses.fields(Config))
