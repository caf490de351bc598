"""The suggestions page in a real browser: what a reader can do with it, by mouse, keyboard and screen reader."""

import http.server
import json
import threading

import pytest

from checkpoints_tools.common.files import write_blocks
from keras_negaposi.data.decisions import ACCEPT, REJECT, last_decisions, read_decisions
from keras_negaposi.data.documents import Documents
from keras_negaposi.links_page.html_page import server_page, static_page
from keras_negaposi.links_page.message import Message
from keras_negaposi.links_page.page_data import Link, Note, PageData, data_files
from keras_negaposi.retrieval.link_formats import as_markdown
from keras_negaposi.retrieval.suggestions import Suggestion
from tests.helpers.browser import NARROW, opened, overflow, serious_findings

pytestmark = pytest.mark.browser

TEXTS = {
    "棚/庭,000": "庭のりんごの木に水をやる。",
    "棚/庭,001": "石の上に苔が広がる季節です。",
    "池,000": "池の水をくんで、りんごの木にやる。",
    "苔,000": "石に苔が広がる。\u202eＷＩＦＩはカタカナではない。",
    "- 題,000": "ぜんぜん別の話。ﾊﾝｶｸ ABC",
    "孤島,000": "だれもここには来ない。" + "長い" * 400,
}
MANY = 300


def page_data():
    filler = {f"n{i:03d},000": f"{i}番目の話。" for i in range(MANY)}
    first = Note(
        "棚/庭",
        "棚/庭,000",
        (
            Link("棚/庭,000", "池,000", 0.97, parts=(2.5, 1.5, -0.5), matches=(("りんご", "木"), ("", "池"))),
            Link("棚/庭,001", "苔,000", 0.7, parts=(1.0, 0.3, -0.5)),
            Link("棚/庭,001", "- 題,000", 0.3, parts=(-0.5, 0.1, -0.5)),
        ),
    )
    others = [
        Note("苔", "苔,000", (Link("苔,000", "池,000", 0.93, True, (1.0, 1.0, -0.5)),)),
        Note("孤島", "孤島,000", (), alone=True),
        *(
            Note(f"n{i:03d}", f"n{i:03d},000", (Link(f"n{i:03d},000", f"n{(i + 1) % MANY:03d},000", 0.2),))
            for i in range(MANY)
        ),
    ]
    texts, note_of = TEXTS | filler, Documents(r"^(.*),")
    return PageData(
        [first, *others],
        texts,
        {title: note_of(title) for title in texts},
        0.5,
        ("lexical", "model", "base"),
        Message("unbeaten", {"baselines": ["frozen encoder", "TF-IDF cosine"]}),
        Message("ranked_by_text", {"pairs": 1234}),
        r"^(.*),",
        {"- 題": "#-_題"},
        matches=True,
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "suggestions.html"
    write_blocks(str(path), static_page(page_data()))
    return path.as_uri()


def complete(page):
    page.locator('main[aria-busy="false"]').wait_for()
    return page


def links(page):
    return page.locator(".link h3").all_text_contents()


def notice(page, text):
    page.locator("#status", has_text=text).wait_for()


def choose(page, name):
    page.locator(f'#filter input[value="{name}"]').check()


def search(page, query, count):
    page.locator("#query").fill(query)
    page.locator("#shown", has_text=count).wait_for()


def saved(page, tmp_path):
    with page.expect_download() as download:
        page.locator("#export").click()
    download.value.save_as(tmp_path / "decisions.jsonl")
    return tmp_path / "decisions.jsonl"


def test_the_first_view_shows_the_most_certain_new_links_and_scrolling_shows_more(browser, address):
    with opened(browser, address) as page:
        complete(page)
        assert page.locator(".note h2").first.text_content() == "棚/庭"
        assert links(page)[:3] == ["池", "苔", "- 題"]
        assert page.locator(".link").first.locator(".word").text_content() == "likely"
        assert page.locator(".word").all_text_contents()[1:3] == ["possible", "doubtful"]
        # 庭's second page once, beside two candidates
        assert page.locator(".note").first.locator(".a .text").count() == 2
        assert (
            "Warning: the run did not significantly beat linear probe, TF-IDF cosine on"
            in page.locator("#about").text_content()
        )
        assert page.locator("#shown").text_content() == f"{MANY + 3} links of {MANY + 1} notes"
        shown = page.locator(".note").count()
        assert shown < MANY
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        page.locator(".note").nth(shown).wait_for()
        choose(page, "alone")
        assert page.locator(".note h2").all_text_contents() == ["孤島"]
        choose(page, "linked")
        assert links(page) == ["池"]
        choose(page, "decided")
        assert "You have decided about no link yet" in page.locator(".empty").text_content()
        choose(page, "new")
        page.locator("#order").select_option("uncertain")
        assert links(page)[:2] == ["- 題", "苔"] or links(page)[:2] == ["苔", "- 題"]
        page.locator("#order").select_option("note")
        assert page.locator(".note h2").first.text_content() == "n000"
        page.reload()
        assert complete(page).locator("#order").input_value() == "note"


@pytest.mark.parametrize("query", ["リンゴ 水", "りんご", "ﾘﾝｺﾞ", "wifi", "はんかく ａｂｃ"])
def test_search_ignores_case_kana_and_width(browser, address, query):
    with opened(browser, address) as page:
        complete(page)
        search(page, query, "1 links of 1 notes")
        search(page, "そんな語はない", "0 links of 0 notes")
        assert "Nothing matches" in page.locator(".empty").text_content()
        page.locator(".empty button").click()
        page.locator("#shown", has_text=f"{MANY + 3} links").wait_for()


def test_a_decision_is_kept_hidden_exported_imported_and_undone(browser, address, tmp_path):
    with opened(browser, address) as page:
        complete(page)
        page.get_by_role("button", name="Accept: 池").first.click()
        notice(page, "Accepted: 棚/庭 → 池")
        page.get_by_role("button", name="Reject: 苔").click()
        notice(page, "Rejected: 棚/庭 → 苔")
        assert links(page)[0] == "- 題" and not page.get_by_role("button", name="Accept: 苔").count()
        page.reload()
        complete(page)
        assert links(page)[0] == "- 題"
        choose(page, "decided")
        assert links(page) == ["池", "苔"]
        assert page.locator(".badge").all_text_contents() == ["accepted", "rejected"]
        path = saved(page, tmp_path)
        decided = {pair: found.decision for pair, found in last_decisions(read_decisions(str(path))).items()}
        assert decided == {("棚/庭,000", "池,000"): ACCEPT, ("棚/庭,001", "苔,000"): REJECT}

        # Take one back, in another session than that in which it was made, and one that was just made.
        page.get_by_role("button", name="Reopen: 苔").click()
        notice(page, "Open again")
        assert links(page) == ["池"]
        choose(page, "new")
        assert links(page)[0] == "苔"
        page.get_by_role("button", name="Reject: 苔").click()
        page.locator("#undo").click()
        page.locator("#status", has_text="Open again").wait_for()
        assert links(page)[0] == "苔"

    with opened(browser, address) as page:  # a new profile
        assert links(complete(page))[0] == "池"
        page.locator("#file").set_input_files(path)
        notice(page, "2 decisions imported")
        assert links(page)[0] == "- 題"
        bad = tmp_path / "bad.jsonl"
        bad.write_text(path.read_text(encoding="utf-8") + '{"a": 1}\n', encoding="utf-8")
        page.locator("#file").set_input_files(bad)
        notice(page, "Not imported: line 3 is no decision")


def test_a_decision_about_other_pages_of_the_two_notes_counts(browser, address, tmp_path):
    with opened(browser, address) as page:
        complete(page)
        line = {"a": "池,007", "b": "棚/庭,001", "decision": "reject", "at": "2026-11-28T12:00:00Z"}
        (tmp_path / "d.jsonl").write_text(json.dumps(line), encoding="utf-8")
        page.locator("#file").set_input_files(tmp_path / "d.jsonl")
        notice(page, "1 decisions imported")
        assert links(page)[0] == "苔"
        choose(page, "decided")
        page.get_by_role("button", name="Reopen: 池").click()
        notice(page, "Open again")
        page.locator("#export").click()
        notice(page, "0 decisions exported")


@pytest.mark.parametrize("name", ["wiki", "scrapbox", "markdown"])
def test_links_are_copied_in_the_chosen_form(browser, address, name):
    with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        complete(page)
        page.locator("#format").select_option(name)
        page.locator("h1").click()
        copied = []
        for _ in range(3):
            page.keyboard.press("j")
            page.keyboard.press("c")
            notice(page, "Copied: ")
            copied.append(page.evaluate("navigator.clipboard.readText()"))
        found = [Suggestion(title, "", 1.0) for title in ("池", "苔", "- 題")]
        markdown = [line[2:] for line in as_markdown(found, str, "棚/庭").split("\n")]
        expected = {
            "wiki": ["[[池]]", "[[苔]]", "[[- 題]]"],
            "scrapbox": ["[池]", "[苔]", "#-_題"],
            "markdown": markdown,
        }
        assert copied == expected[name]


def test_everything_works_by_keyboard_alone(browser, address):
    with opened(browser, address) as page:
        complete(page)
        page.keyboard.press("?")
        assert page.locator("dialog").is_visible()
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="hidden")
        page.keyboard.press("a")
        notice(page, "Choose a link first")
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("k")
        page.keyboard.press("a")
        notice(page, "Accepted: 棚/庭 → 池")
        assert page.evaluate("document.activeElement.querySelector('h3').textContent") == "苔"
        page.keyboard.press("r")
        notice(page, "Rejected: 棚/庭 → 苔")
        page.keyboard.press("u")
        notice(page, "Open again: 棚/庭 → 苔")
        page.keyboard.press("u")
        notice(page, "Open again: 棚/庭 → 池")
        assert page.evaluate("document.activeElement.querySelector('h3').textContent") == "池"
        page.keyboard.press("/")
        page.keyboard.type("arc")
        assert page.locator("#query").input_value() == "arc"


def test_a_decision_also_takes_the_other_direction_from_the_list(browser, tmp_path):
    notes = [Note("甲", "甲", (Link("甲", "乙", 0.9),)), Note("乙", "乙", (Link("乙", "甲", 0.8),))]
    write_blocks(str(tmp_path / "p.html"), static_page(PageData(notes, {"甲": "一", "乙": "二"}, threshold=0.5)))
    with opened(browser, (tmp_path / "p.html").as_uri()) as page:
        complete(page)
        assert links(page) == ["乙"]
        page.locator("#order").select_option("note")
        assert links(page) == ["甲", "乙"]
        page.get_by_role("button", name="Accept: 乙").click()
        notice(page, "Accepted: 甲 → 乙")
        assert "No new link is left" in page.locator(".empty").text_content()


def test_why_marks_what_both_texts_share_and_names_the_parts(browser, address):
    with opened(browser, address) as page:
        complete(page)
        page.keyboard.press("j")
        page.keyboard.press("w")
        group = page.locator(".group").first
        marked = group.locator(".a mark").all_text_contents(), group.locator(".b mark").first.text_content()
        assert "りんごの木に" in marked[0][0] and "りんごの木に" in group.locator(".link").first.text_content()
        assert "りんごの木" in "".join(page.locator(".shared li").all_text_contents())
        assert page.locator(".parts .number").all_text_contents() == ["+2.50", "+1.50", "−0.50"]
        page.locator(".matches li").first.wait_for()
        assert page.locator(".matches li").all_text_contents() == ["りんご – 木", "池"]
        page.keyboard.press("w")
        assert not page.locator("mark").count() and not page.locator(".reasons").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, NARROW])
def test_the_page_is_accessible_and_never_wider_than_the_window(browser, address, scheme, size):
    with opened(browser, address, language="ja", color_scheme=scheme, **({"size": size} if size else {})) as page:
        complete(page)
        assert page.evaluate("document.documentElement.lang") == "ja"
        assert page.locator("h1").text_content() == "リンクの候補"
        about = page.locator("#about").text_content()
        assert "固定したBERTの線形分類, TF-IDFのコサイン" in about and "1,234組" in about and "run" not in about
        assert page.locator(".text").first.get_attribute("lang") == "ja"
        page.keyboard.press("j")
        page.keyboard.press("w")
        assert serious_findings(page) == {}
        assert overflow(page) == 0
        back = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, back.strip("rgb()").split(","))) < 384) == (scheme == "dark")
        choose(page, "alone")
        page.get_by_role("button", name="全文を表示").click()
        assert overflow(page) == 0


def test_hidden_characters_are_shown(browser, address):
    with opened(browser, address) as page:
        complete(page)
        assert "[U+202E]" in page.locator(".link").nth(1).text_content()


class Served(http.server.SimpleHTTPRequestHandler):
    """A server as small as can be: it keeps decisions in a list."""

    files, kept = {}, []

    def do_GET(self):
        name = self.path.lstrip("/")
        content = "".join(self.kept).encode() if name == "decisions" else self.files.get(name)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8" if not name else "application/json")
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.kept += [json.dumps(decision) + "\n" for decision in sent]

    def log_message(self, *_):
        pass


def test_a_server_gives_the_data_and_keeps_the_decisions(browser):
    Served.files = {"": server_page().encode()}
    Served.files |= {f"data/{name}": content for name, content in data_files(page_data()).items()}
    Served.kept = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_address[1]}"
        with opened(browser, f"{origin}/", origin) as page:
            complete(page)
            page.get_by_role("button", name="Accept: 池").first.click()
            notice(page, "Accepted")
            page.reload()
            assert links(complete(page))[0] == "苔"
        assert [json.loads(line)["b"] for line in Served.kept] == ["池,000"]
        server.shutdown()
