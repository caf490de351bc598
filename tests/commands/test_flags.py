"""Every flag of every command with hostile values: one short line that names the flag, at once, exit code 2."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import __main__ as checkpoints
from checkpoints_tools.common.cli import check_config, make_config
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.options import kind_of
from checkpoints_tools.common.paths import path_problem
from keras_negaposi import config, train
from keras_negaposi.config.index_path import index_problem
from keras_negaposi.data.documents import Documents
from tests.helpers.commands import COMMANDS, refusal
from tests.helpers.properties import bounded, succeeds_or_explains

LONG = "x" * 100_000
EMPTY = ("", " ", "\0")
NUMBERS = (*EMPTY, "nan", "inf", "-inf", "-1", "1e308", str(10**12), "9" * 5000, "x", LONG)
PATHS = (*EMPTY, LONG, "a/" * 3000, "s3://b/x", "https://h/x", "foo://x", "://x", "a\udc83", "x\0y")
FLAGS = [(command, field) for command, (_, _, about) in COMMANDS.items() for field in dataclasses.fields(about)]


def hostile(field):
    """Values that the flag cannot have."""
    kind = kind_of(field)
    if kind in (int, float):
        return NUMBERS
    if kind is bool or field.metadata["choices"]:
        return (*EMPTY, "nan", "-1", LONG)
    if field.metadata["check"] in (path_problem, index_problem):
        return PATHS
    return EMPTY


@pytest.mark.parametrize("command, field", FLAGS, ids=[f"{command}-{field.name}" for command, field in FLAGS])
def test_every_flag_refuses_what_it_cannot_have(command, field, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main, positional, _ = COMMANDS[command]
    for value in hostile(field):
        line = refusal(main, [*positional, f"--{field.name}={value}"], capsys)
        assert f"--{field.name}" in line, (value[:50], line)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", [name for name, (_, positional, _) in COMMANDS.items() if positional or name == "doctor"]
)
def test_every_path_without_a_flag_refuses_likewise(command, capsys):
    for value in PATHS:
        refusal(COMMANDS[command][0], [value], capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_path_of_a_config_file_is_refused_likewise(command, capsys):
    main, positional, _ = COMMANDS[command]
    for value in PATHS:
        assert "--config" in refusal(main, [*positional, f"--config={value}"], capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["verify", "a", "b", f"--tolerance={value}"] for value in ("nan", "inf", "-1", "", LONG)),
        *(["inspect", "a", f"--num_attention_heads={value}"] for value in ("0", "1e9", str(10**12), LONG)),
        *(["inspect", value] for value in PATHS),
        *(["convert", "a", f"--output_dir={value}", "--to=tf1"] for value in PATHS),
        ["convert", "a", "--output_dir=b", f"--to={LONG}"],
        [LONG],
        ["inspect", "a", *[LONG] * 20],
    ],
    ids=lambda arguments: shortened(" ".join(arguments), 40),
)
def test_checkpoints_tools_refuses_likewise(arguments, capsys):
    refusal(checkpoints.main, arguments, capsys)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--head_size=1000000000"], "at most 65,536"),
        (["--seeds=100000000"], "at most 1,000"),
        (["--num_train_epochs=1e308"], "at most 1,000,000"),
        (["--seed=4294967295", "--seeds=2"], "exceed 4294967295"),
        (["--output_dir="], "is empty"),
        (["--honbun=s3://bucket/x"], "give a local path or gs://"),
        (["--group_pattern=" + "(" * 50_000], "not a regular expression"),
        (["x"] * 5000, "and 4,997 more"),
        (["--split", LONG], "choose from random, grouped, both"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_line_says_what_may_be_given(arguments, words, capsys):
    line = refusal(train.main, arguments, capsys)
    assert words in line and len(line) < 600


@pytest.mark.parametrize(
    "values, words",
    [
        ({"seeds": "3"}, '--seeds "3": must be a whole number'),
        ({"seed": True}, "--seed True: must be a whole number"),
        ({"learning_rate": [1]}, "--learning_rate [1]: must be a number"),
        ({"do_lower_case": 1}, "--do_lower_case 1: must be true or false"),
        ({"split": "documents"}, '--split "documents": must be one of random, grouped, both'),
        ({"honbun": 5}, "--honbun 5: must be a string"),
        ({"num_train_epochs": 3}, None),
        ({"head_size": None}, None),
    ],
)
def test_a_configuration_from_a_file_is_checked_for_types(values, words):
    if words is None:
        assert make_config(config.TrainConfig, values)
    else:
        with pytest.raises(InputError) as error:
            make_config(config.TrainConfig, values)
        assert str(error.value) == words


def test_the_defaults_pass_their_own_checks():
    for _, _, about in COMMANDS.values():
        check_config(about())


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.text(max_size=3), max_size=3),
)


@bounded
@given(st.sampled_from([field.name for field in dataclasses.fields(config.TrainConfig)]), VALUES)
def test_property_a_configuration_is_complete_or_refused(name, value):
    succeeds_or_explains(lambda: make_config(config.TrainConfig, {name: value}))


@bounded
@given(st.text(alphabet="()[]{}*+?|\\^$.,:<>P=!-a1\n", max_size=40))
def test_property_a_pattern_that_passes_finds_documents(pattern):
    values = {"group_pattern": pattern}
    if isinstance(succeeds_or_explains(lambda: make_config(config.DataConfig, values)), config.DataConfig):
        assert Documents(pattern)("a,1")


def test_no_title_is_without_document():
    assert Documents(r"^(.*),")(",000") == ",000" and Documents(r"^(.*),")("a,b,000") == "a,b"


def test_the_document_of_a_title_with_line_breaks_is_found():
    assert Documents(r"^(.*),")("a\nb\u2028c,000") == "a\nb\u2028c"
