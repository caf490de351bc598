"""The report of a run: what is on it, once; a run of an older version; reports of runs without a dev part."""

import json
import re

import pytest

from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.evaluation.bootstrap import Interval
from tests.helpers.runs import HYBRID, QUICK


@pytest.fixture(scope="module")
def hybrid(finished_run, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("hybrid") / "run", **HYBRID)


@pytest.fixture(scope="module")
def quick(finished_run, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("quick") / "run", **QUICK)


def read(run):
    return json.loads((run / "metrics.json").read_text()), (run / "report.html").read_text()


def body(page):
    return page[page.index("<body>") :]


def test_the_top_says_what_the_run_is(hybrid):
    metrics, page = read(hybrid)
    saved, split = (json.loads((hybrid / name).read_text()) for name in ("config.json", "split.json"))
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert facts["date"] == saved["started"] and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", saved["started"])
    assert facts["head"].startswith("pair: cross-encoder") and facts["head"].endswith("(hybrid)")
    assert facts["data"] == "honbun_data.json and negaposi.json, 144 texts"
    assert facts["split"].startswith("grouped")
    assert facts["pairs"] == ", ".join(f"{len(split[part])} {part}" for part in ("train", "dev", "test"))
    assert metrics["status"]["level"] in page and metrics["status"]["reason"] in page


def test_the_accuracy_appears_once(hybrid):
    """A baseline, or some of the pairs, may happen to reach the same, so these sections are looked at apart."""
    metrics, page = read(hybrid)
    figure = Interval(**metrics["figures"]["accuracy"])
    top, rest = body(page).split("</div>\n</div>", 1)
    assert top.count(f"{100 * figure.value:.1f} %") == 1
    chart, sections = rest.split("<nav", 1)
    parts = sections.split('<details class="section"')
    apart = [part for part in parts if any(f'id="{name}"' in part for name in ("baselines", "coverage", "leakage"))]
    others = "".join(part for part in parts if part not in apart)
    assert len(apart) == 3 and figure.percent() not in others
    assert not re.search("<th>(hybrid|this run)</th>", sections) and "<th>accuracy</th>" not in others
    assert "macro avg" not in page
    row = chart[chart.index('<th scope="row">this run</th>') :].split("</tr>")[0]
    assert 'aria-label="the accuracy above"' in row and row.endswith("<td></td>")


def test_every_warning_says_what_to_do(hybrid):
    metrics, page = read(hybrid)
    assert page.count("<strong>What to do:</strong>") == len(metrics["warnings"]) > 0


def test_the_chart_has_the_run_its_parts_and_all_baselines(hybrid):
    metrics, page = read(hybrid)
    chart = page[page.index('class="forest"') : page.index("</table>")]
    assert chart.count('class="dot"') == len(metrics["baselines"]) + 2  # and the run, and the model alone
    for name in ("this run", "model alone", "linear probe", "majority"):
        assert f'<th scope="row">{name}</th>' in chart


def test_texts_are_marked_as_japanese_and_errors_are_folded(quick):
    metrics, page = read(quick)
    wrong = metrics["confusion"][0][1] + metrics["confusion"][1][0]
    errors = page[page.index('id="errors"') : page.index('id="examples"')]
    assert errors.count("<article") == min(wrong, 25) and errors.split("<details>")[0].count("<article") == 5
    assert errors.count('<p lang="ja">') == 2 * min(wrong, 25)
    examples = page[page.index('id="examples"') : page.index('id="coverage"')]
    assert examples.count("<article") == 10 and examples.count('class="example correct"') >= 5


def test_ranking_stands_next_to_chance_and_the_lexical_baseline(quick):
    metrics, page = read(quick)
    found = metrics["ranking"]
    assert found["chance"]["recall_at_1"] == pytest.approx(1 / 3) and found["chance"]["recall_at_10"] == 1
    row = re.search(r"<tr><th>R@1</th>(.*?)</tr>", page)[1]
    cells = [f"{found['recall_at_1']['value']:.3f}", f"{found['lexical']['recall_at_1']['value']:.3f}", "0.333"]
    assert [cell[:5] for cell in re.findall(r"<td>(.*?)</td>", row)] == cells
    assert "whose true B is first" in row
    assert 'id="ranking"' in page and "Dev part during the training" not in page


def test_coverage_is_in_the_metrics_and_on_the_page(quick):
    metrics, page = read(quick)
    found = {each["share"]: each for each in metrics["coverage"]}
    assert found[1.0]["accuracy"] == metrics["figures"]["accuracy"]
    assert f"The most confident 80 % are {Interval(**found[0.8]['accuracy']).percent()} correct." in page


@pytest.mark.slow
def test_a_run_of_an_older_version_gets_a_report(quick):
    saved = json.loads((quick / "config.json").read_text())
    metrics = json.loads((quick / "metrics.json").read_text())
    del saved["started"]
    kept = ("schema", "pairs", "eval_accuracy", "eval_loss", "loss", "global_step", "confusion", "figures")
    (quick / "config.json").write_text(json.dumps(saved))
    (quick / "metrics.json").write_text(json.dumps({name: metrics[name] for name in kept}))
    (quick / "history.json").unlink()
    (quick / "report.html").unlink()
    assert evaluate([str(quick)]) == 0
    again, page = read(quick)
    assert again == metrics
    assert "<dt>date</dt>" not in page and "Training loss" not in page and 'href="#training"' not in page
