"""Decisions of the suggestions page become labelled pairs, and win over pairs that the command made itself."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest

from keras_negaposi.config import PairsConfig
from keras_negaposi.data.decisions import Decision, write_decisions
from keras_negaposi.data.pairs import read_pairs
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pairs import main
from tests.helpers.commands import refusal

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def decided(a, b, decision, minutes=0):
    return Decision(a, b, decision, NOON + timedelta(minutes=minutes))


def written(path, *decisions):
    write_decisions(str(path), decisions)
    return str(path)


def test_decisions_are_labelled_pairs_and_win_over_made_ones(tiny, tmp_path, caplog):
    config = PairsConfig(output=str(tmp_path / "made"), keep_duplicates=True)
    made = make_pairs(tiny.flags["honbun"], config)
    positive = next(pair for pair in made if pair.label == 1)
    new = ("doc00,000", "doc05,003")
    assert new not in {(pair.a, pair.b) for pair in made}
    decisions = written(
        tmp_path / "d.jsonl",
        decided(*new, "accept"),
        decided(positive.a, positive.b, "accept"),
        decided(positive.a, positive.b, "reject", 1),
        decided("doc01,000", "doc02,000", "accept"),
        decided("doc01,000", "doc02,000", "undo", 1),
        decided("nowhere,000", "doc02,000", "accept"),
    )
    output = str(tmp_path / "decided")
    pairs = make_pairs(tiny.flags["honbun"], dataclasses.replace(config, output=output, decisions=decisions))
    assert [(pair.a, pair.b, pair.label) for pair in pairs[:2]] == [(*new, 1), (positive.a, positive.b, 0)]
    assert set(pairs[2:]) == set(made) - {positive}
    assert list(read_pairs(f"{output}/honbun_data.json", f"{output}/negaposi.json").pairs) == pairs
    assert "1 of 3 decisions are about pages that are not here and are left out, for example" in caplog.text
    readme = (tmp_path / "decided/README.md").read_text(encoding="utf-8")
    assert "2 pairs were decided by people (1 accepted, 1 rejected); 1 made pairs of the same pages give way" in readme


def test_a_masked_copy_gives_way_to_a_decision_about_its_page(tmp_path):
    notes = {f"題{i}": f"ここから[題{(i + 1) % 6}]へ行く話の{i}番目。" for i in range(6)}
    wiki = {"pages": [{"title": title, "lines": [title, text]} for title, text in notes.items()]}
    (tmp_path / "wiki.json").write_text(json.dumps(wiki, ensure_ascii=False), encoding="utf-8")
    config = PairsConfig(output=str(tmp_path / "made"), positive="link")
    made = make_pairs(str(tmp_path / "wiki.json"), config)
    masked = next(pair for pair in made if pair.label == 1)
    page = masked.a.removesuffix(" 〓")
    assert page != masked.a
    decisions = written(tmp_path / "d.jsonl", decided(masked.b, page, "reject"))
    config = dataclasses.replace(config, output=str(tmp_path / "decided"), decisions=decisions)
    pairs = make_pairs(str(tmp_path / "wiki.json"), config)
    assert (pairs[0].a, pairs[0].b, pairs[0].label) == (masked.b, page, 0)
    assert masked not in pairs and len(pairs) == len(made)
    texts = json.loads((tmp_path / "decided/honbun_data.json").read_text(encoding="utf-8"))
    assert masked.a not in texts and page in texts


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"a": "nowhere", "b": "doc00,000", "decision": "accept", "at": "2026-11-28T12:00:00Z"}', 'example "nowhere"'),
        ("{}", "d.jsonl: line 1: object missing required field a"),
    ],
)
def test_decisions_that_are_of_no_use_are_refused(tiny, tmp_path, capsys, line, words):
    (tmp_path / "d.jsonl").write_text(f"{line}\n", encoding="utf-8")
    arguments = [tiny.flags["honbun"], f"--output={tmp_path}/out", f"--decisions={tmp_path}/d.jsonl"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error
    assert not (tmp_path / "out").exists()


def test_a_table_of_labelled_pairs_takes_no_decisions(tmp_path, capsys):
    (tmp_path / "p.csv").write_text("text_a,text_b,label\na,b,1\nc,d,0\n")
    line = refusal(main, [f"{tmp_path}/p.csv", f"--output={tmp_path}/out", "--decisions=d"], capsys)
    assert "--decisions: has no effect on a table of labelled pairs" in line
