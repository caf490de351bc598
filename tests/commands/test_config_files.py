"""``--config FILE``: the same configuration as by flags, from every format; hostile files are refused in one line."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.cli import make_parser
from checkpoints_tools.common.errors import InputError
from keras_negaposi import train
from keras_negaposi.config import BaselineConfig, PrepareConfig, TrainConfig
from keras_negaposi.config.given import add_options, given_options
from keras_negaposi.config.option_file import options_in, read_file
from keras_negaposi.config.recipes import NONE, QUICK
from keras_negaposi.config.saved import absolute
from tests.helpers.commands import COMMANDS, refusal
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

SUFFIXES = ("json", "yaml", "yml", "toml")
OPTIONS = {"head": "vector", "learning_rate": 2e-4, "num_train_epochs": 2.0, "hybrid": False, "dev_share": "auto"}
OPTIONS |= {"group_pattern": "^(.*), ", "next_page_pairs": 7, "max_seq_length": 32, "split": "grouped"}


def written(path, options):
    """The path of a file of options in the format of its suffix."""
    if path.suffix == ".json":
        text = json.dumps(options)
    elif path.suffix == ".toml":
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    else:  # the way people write it: 2e-4 and ^(.*) without quotation marks
        text = "".join(f"{name}: {_yaml(value)}\n" for name, value in options.items())
    path.write_text(text, encoding="utf-8")
    return path


def _yaml(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}'" if value == "-" or str(value).endswith(" ") else f"{value:g}" if value == 2e-4 else value


def parsed(config_class, *arguments):
    parser = make_parser("x", "")
    add_options(parser, config_class)
    return parser.parse_args([str(argument) for argument in arguments])


def flags(options):
    return [f"--{name}={value}" for name, value in options.items()]


def run_file(folder, config):
    """The file as `training.run` writes it."""
    folder.mkdir(exist_ok=True)
    saved = absolute(dataclasses.asdict(config)) | {"resume": False}
    (folder / "config.json").write_text(json.dumps({"config": saved, "total_steps": 5}))
    return folder / "config.json"


@pytest.fixture
def new_run(tmp_path):
    return f"--output_dir={tmp_path / 'new'}"


@pytest.mark.parametrize("chosen", [OPTIONS, {"recipe": "quick", "max_seq_length": 128}, {}], ids=len)
def test_the_configuration_of_a_training_is_the_same_from_every_format(chosen, tiny, tmp_path, new_run):
    options = tiny.flags | chosen
    expected = train.configure(parsed(TrainConfig, new_run, *flags(options)))
    for suffix in SUFFIXES:
        file = written(tmp_path / f"options.{suffix}", options)
        assert train.configure(parsed(TrainConfig, new_run, "--config", file)) == expected, suffix
    file = run_file(tmp_path / "old", dataclasses.replace(expected, output_dir=str(tmp_path / "old")))
    assert train.configure(parsed(TrainConfig, new_run, "--config", file)) == expected


def test_every_flag_can_be_in_a_file(tmp_path):
    for command, (_, _, about) in COMMANDS.items():
        defaults = {f.name: f.default for f in dataclasses.fields(about) if f.default is not None}
        for suffix in SUFFIXES:
            file = written(tmp_path / f"{command}.{suffix}", defaults)
            assert given_options(about, parsed(about, "--config", file)) == defaults, (command, suffix)


def test_flags_override_the_file(tiny, tmp_path, new_run):
    file = written(tmp_path / "o.yaml", tiny.flags | OPTIONS)
    config = train.configure(parsed(TrainConfig, "--config", file, new_run, "--learning_rate=1e-3", "--hybrid=true"))
    assert (config.learning_rate, config.hybrid, config.head) == (1e-3, True, "vector")


@pytest.mark.parametrize(
    "name, text",
    [
        ("o.yaml", "title:\n- 甲\n- 'no'\n- 2024-01-01\ntop: 3\nhtml: null\n"),
        ("o.yml", "{title: [甲, no, 2024-01-01], top: 3, html: ~, text: }"),
        ("o.toml", 'title = ["甲", "no", "2024-01-01"]\ntop = 3\n'),
        ("o.json", '{"title": ["甲", "no", "2024-01-01"], "top": 3, "html": null}'),
    ],
)
def test_lists_texts_and_nulls(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    about = COMMANDS["suggest"][2]
    found = given_options(about, parsed(about, "--config", tmp_path / name))
    assert found == {"title": ["甲", "no", "2024-01-01"], "top": 3}


def test_one_value_may_stand_for_a_list(tmp_path):
    about = COMMANDS["suggest"][2]
    for suffix in SUFFIXES:
        file = written(tmp_path / f"o.{suffix}", {"title": "a"})
        assert given_options(about, parsed(about, "--config", file)) == {"title": ["a"]}


def test_names_may_have_hyphens_or_be_old(tmp_path, capsys):
    file = written(tmp_path / "o.json", {"train-batch-size": 4, "augment_next": "all"})
    found = given_options(TrainConfig, parsed(TrainConfig, "--config", file))
    assert found == {"train_batch_size": 4, "next_page_pairs": "all"}
    assert capsys.readouterr().err == f"{file}: augment_next is now called next_page_pairs\n"


# A run's config.json.


def test_options_of_a_run_without_effect_are_no_mistake_of_the_user(tiny, tmp_path, new_run):
    options = {"head": "vector", "head_size": 3, "eval_steps": 7, "dev_share": 0.2}
    file = run_file(tmp_path / "old", TrainConfig(**tiny.flags | options, output_dir=str(tmp_path / "old")))
    config = train.configure(parsed(TrainConfig, new_run, "--config", file, "--head=pair_means", "--dev_share=0"))
    assert (config.head, config.head_size, config.eval_steps) == ("pair_means", None, TrainConfig.eval_steps)
    with pytest.raises(InputError, match="^--head_size: has no effect"):
        train.configure(parsed(TrainConfig, new_run, "--config", file, "--head=pair", "--head_size=3"))


def test_a_recipe_chooses_what_has_its_default_in_the_run(tiny, tmp_path, new_run):
    file = run_file(tmp_path / "old", TrainConfig(**tiny.flags, num_train_epochs=2.0, output_dir="x"))
    config = train.configure(parsed(TrainConfig, new_run, "--config", file))
    assert (config.recipe, config.truncate_a) == (NONE, "end")
    config = train.configure(parsed(TrainConfig, new_run, "--config", file, f"--recipe={QUICK}"))
    assert (config.recipe, config.truncate_a, config.num_train_epochs) == (QUICK, "start", 2.0)


def test_a_resumed_or_old_run_gives_a_new_one(tiny, tmp_path, new_run):
    old = tmp_path / "old"
    old.mkdir()
    saved = tiny.flags | {"augment": 0, "augment_next": 3, "resume": True, "output_dir": str(old)}
    (old / "config.json").write_text(json.dumps({"config": saved}))
    config = train.configure(parsed(TrainConfig, new_run, "--config", old / "config.json"))
    assert (config.resume, config.output_dir) == (False, str(tmp_path / "new"))
    assert (config.next_page_pairs, config.dev_share, config.embedded_pairs) == (3, 0.0, "all")  # as it was then


@pytest.mark.parametrize("config_class", [PrepareConfig, BaselineConfig])
def test_commands_on_the_same_data_take_what_they_have_of_a_run(config_class, tiny, tmp_path):
    values = tiny.flags | {"split": "grouped", "truncate_a": "start", "head": "vector", "head_size": 3, "seed": 5}
    file = run_file(tmp_path / "old", TrainConfig(**values, output_dir="x"))
    found = given_options(config_class, parsed(config_class, "--config", file))
    assert (found["split"], found["seed"], found["honbun"]) == ("grouped", 5, tiny.flags["honbun"])
    assert found.keys() & {"output_dir", "head_size"} == set()
    assert ("truncate_a" in found) == (config_class is PrepareConfig)


def test_a_run_on_a_table_gives_its_pairs_to_a_new_one(tiny, tmp_path):
    table, old = tmp_path / "table.csv", tmp_path / "old"
    table.write_text("a,b,c\n")
    source = {name: None for name in ("honbun", "negaposi")} | {"pairs": str(table), "columns": "a,b,c"}
    file = run_file(old, TrainConfig(**tiny.flags | source, output_dir="x"))

    def found(*flags):
        given = given_options(TrainConfig, parsed(TrainConfig, "--config", file, *flags))
        return {name: given[name] for name in source if given.get(name) is not None}

    assert found() == {"pairs": str(table), "columns": "a,b,c"}
    for name in ("honbun_data.json", "negaposi.json"):
        (old / name).write_text("{}")
    copies = {"honbun": str(old / "honbun_data.json"), "negaposi": str(old / "negaposi.json")}
    assert found() == copies
    assert found("--negaposi=n.json") == copies | {"negaposi": "n.json"}
    assert found("--pairs=p.csv", "--columns=x,y,z") == {"pairs": "p.csv", "columns": "x,y,z"}


def test_other_commands_refuse_a_run(tmp_path, capsys):
    file = run_file(tmp_path / "old", TrainConfig(output_dir="x"))
    line = refusal(COMMANDS["predict"][0], ["run", f"--config={file}"], capsys)
    assert f"{file}: has the options of a run, which only train, prepare and baseline take" in line


# What is refused.


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("o.yaml", "leaning_rate: 1", 'unknown option "leaning_rate"; did you mean learning_rate?'),
        ("o.json", '{"--seed": 1}', 'unknown option "--seed"'),
        ("o.toml", "[config]\nseed = 1", 'unknown option "config"'),
        ("o.yaml", "config: {seed: 1}", 'unknown option "config"'),
        ("o.yaml", "seed: x", '--seed: "x" is an invalid int value'),
        ("o.yaml", "seed: {a: 1}", "--seed {}: must be a whole number"),
        ("o.json", '{"seed": "1"}', '--seed "1": must be a whole number'),
        ("o.toml", "seed = true", "--seed True: must be a whole number"),
        ("o.toml", "learning_rate = nan", "--learning_rate nan: must be above 0.0"),
        ("o.toml", "honbun = 2024-01-01", "--honbun datetime.date(2024, 1, 1): must be a string"),
        ("o.json", '{"honbun": ["a"]}', "must be a string"),
        ("o.yaml", "split: documents", '--split: invalid choice: "documents" (choose from random, grouped, both)'),
        ("o.yaml", "honbun: ''", '--honbun "": is empty'),
        ("o.yaml", "seed: 1\nseed: 2", 'the key "seed" appears twice'),
        ("o.json", '{"augment": 1, "distill_pairs": 2}', "distill_pairs is given twice"),
        ("o.json", '{"config": {"sede": 1}}', 'unknown option "sede"; use the version that trained the run'),
        ("o.json", '{"config": {"seed": -1}}', "must be at least 0"),
        ("o.yaml", "- a", "must hold names of flags with their values"),
        ("o.yaml", "a: [b", "not YAML at line "),
        ("o.yaml", "a: 1\n---\nb: 2", "not YAML at line 2"),
        ("o.yaml", "&a [*a]: 1", "must hold names"),
        ("o.yaml", "title: &a [*a]", 'unknown option "title"'),
        ("o.toml", "a = ", "not TOML: "),
        ("o.json", "{", "not JSON at line 1"),
        ("o.json", "", "the file is empty"),
        ("o.yaml", "[" * 5000, "o.yaml: n"),
        ("o.toml", "a = " + "[" * 5000, "o.toml: n"),
        ("o.toml", "seed = " + "9" * 5000, "o.toml: n"),
        ("o.yaml", "#" * 70_000, "has more than 65,536 characters"),
        ("o.ini", "seed = 1", "its format is not known; give a file named .json, .yaml, .yml, .toml"),
        ("gone.yaml", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(name, text, words, tmp_path, capsys):
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    line = refusal(train.main, [f"--config={tmp_path / name}", f"--output_dir={tmp_path / 'new'}"], capsys)
    assert words in line and str(tmp_path / name) in line
    assert not (tmp_path / "new").exists()


def test_an_option_of_the_file_without_effect_is_refused_with_the_file(tmp_path, capsys):
    file = written(tmp_path / "o.toml", {"head_size": 3})
    assert f"error: {file}: --head_size: has no effect" in refusal(train.main, [f"--config={file}"], capsys)
    line = refusal(train.main, [f"--config={file}", "--head_size=4"], capsys)
    assert "error: --head_size: has no effect" in line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_file(command, tmp_path, capsys):
    main, positional, _ = COMMANDS[command]
    file = written(tmp_path / "o.json", {"nothing": 1})
    assert f'{file}: unknown option "nothing"' in refusal(main, [*positional, f"--config={file}"], capsys)


GOOD = {
    "yaml": b"head: vector\nseed: 3\nlearning_rate: 2e-4\nhybrid: no\n# a comment\nhonbun: '\xe7\x94\xb2'\n",
    "toml": b'head = "vector"\nseed = 3\nlearning_rate = 2e-4\nhybrid = false\nhonbun = """\xe7\x94\xb2"""\n',
    "json": b'{"head": "vector", "seed": 3, "learning_rate": 2e-4, "hybrid": false, "honbun": "\xe7\x94\xb2"}',
}
FRAGMENTS = (b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"? ", b"[[a]]\n", b'"""', b"1979-05-27", b"0x1")


@bounded
@given(st.data(), st.sampled_from(sorted(GOOD)))
def test_property_any_file_is_read_or_explained(tmp_path_factory, data, suffix):
    path = tmp_path_factory.mktemp("hostile") / f"o.{suffix}"
    path.write_bytes(data.draw(mutations(GOOD[suffix], FRAGMENTS)))
    found = succeeds_or_explains(lambda: options_in(read_file(str(path)), str(path), TrainConfig))
    if isinstance(found, InputError):
        assert str(path) in str(found)
    else:
        TrainConfig(**found)
