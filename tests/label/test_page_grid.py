"""Many at once: accepted and taken back together, and what was left out does not come straight back."""

import pytest
from helpers_label import half, tell

PHONE = {"viewport": {"width": 390, "height": 780}}


@pytest.fixture
def labelling(served):
    """A real session whose model takes a third of the items for each of three classes."""
    server = served(count=40, real=True)
    tell(server.session, 1, ("cat", "dog", "bird"), half(server.session, 3), range(40))
    return server


def opened(page):
    """The grid when it can be accepted: its class, and the names of what is in it."""
    page.wait_for_selector("#accept:enabled")
    return page.inner_text("#grid em"), page.eval_on_selector_all(".cells button", "all => all.map(b => b.title)")


@pytest.mark.parametrize("where", ["grid", "stage", "reload"])
def test_one_undo_takes_a_whole_grid_back(labelling, visit, hand, where):
    page = visit(labelling.url)
    h = hand(page)
    h.press("1")
    page.keyboard.press("g")
    label, shown = opened(page)
    page.click(".cells button:nth-child(1)")
    page.keyboard.press("Enter")
    h.settled(lambda: len(labelling.answers) == len(shown))  # one was left out, one answered before
    if where == "stage":
        page.keyboard.press("g")
        page.wait_for_selector("#stage:not([hidden])")
    elif where == "reload":
        page.reload()
        page.wait_for_selector("#frame[data-painted]")
    else:
        page.wait_for_function("label => document.querySelector('#grid em')?.innerText !== label", arg=label)
        opened(page)
    page.keyboard.press("z")
    h.settled(lambda: len(labelling.answers) == 1)
    h.settled(lambda: f"{len(shown) - 1} items labelled {label}" in page.inner_text("#toast"))
    if where == "grid":
        page.wait_for_function("label => document.querySelector('#grid em')?.innerText === label", arg=label)
        assert opened(page) == (label, shown)  # what was left out as well
    page.keyboard.press("Control+z")
    h.settled(lambda: not labelling.answers)
    kinds = [kind for kind, _, _ in labelling.kinds]
    assert kinds == ["label"] * len(shown) + ["undo"] * len(shown)


@pytest.mark.parametrize("form", [{}, PHONE])
def test_what_was_left_out_is_not_offered_as_that_class_again_and_the_next_class_opens(labelling, visit, form):
    page = visit(labelling.url, **form)
    page.click("#to-grid")
    left_out, classes = set(), []
    for _ in range(12):
        label, shown = opened(page)
        assert not left_out & {(label, name) for name in shown}
        if label not in classes:
            classes.append(label)
        assert page.inner_text(".tabs [aria-pressed=true] span") == label
        page.click(".cells button:nth-child(1)")
        left_out.add((label, shown[0]))
        if page.inner_text("#accept").startswith("None is"):
            assert len(shown) == 1
        page.click("#accept")
        page.wait_for_function(
            "old => { const now = document.querySelector('.cells button'); "
            "return now ? now.title !== old && !document.querySelector('#accept').disabled "
            ": document.querySelector('#grid').innerText.includes('Nothing to accept'); }",
            arg=shown[0],
        )
        if not page.locator(".cells button").count():
            break
    assert sorted(classes) == ["bird", "cat", "dog"]
    assert page.locator(".tabs button").count() == 0
    assert {name for _, name in left_out}.isdisjoint(labelling.answers)
    assert len(labelling.answers) + len(left_out) == 32  # all but the audit items


def test_a_grid_that_another_person_has_is_not_counted(labelling, visit):
    """A tab says what can be accepted here and now."""
    session = labelling.session
    for name in ("cat", "dog"):
        session.grid("bob", name, 200)
    page = visit(labelling.url)
    page.keyboard.press("g")
    assert opened(page)[0] == "bird"
    assert page.locator(".tabs span").all_inner_texts() == ["bird"]


@pytest.mark.parametrize("late", [False, True])
def test_a_grid_whose_picture_was_changed_leaves_that_item_out_and_says_so(labelling, visit, hand, late):
    """Also where the next grid comes after the answer, and says that the class is done."""
    from PIL import Image

    page = visit(labelling.url)
    page.keyboard.press("g")
    label, shown = opened(page)
    Image.new("RGB", (40, 40), "red").save(labelling.folder / "images" / shown[2])
    waiting = []
    if late:
        page.route("**/api/grid", lambda route: waiting.append(route))
    page.keyboard.press("Enter")
    h = hand(page)
    h.settled(lambda: len(labelling.answers) == len(shown) - 1)
    assert shown[2] not in labelling.answers
    h.settled(lambda: "1 item not labelled: changed" in page.inner_text("#toast"))
    if late:
        [route] = waiting
        route.continue_()
        h.settled(lambda: f"{label} is done" in page.inner_text("#toast"))
        assert "1 item not labelled: changed" in page.inner_text("#toast")


@pytest.mark.parametrize("form", [{}, PHONE, {"viewport": {"width": 390, "height": 640}}])
def test_all_that_is_accepted_is_in_sight(served, visit, form):
    names = [f"class of the number {i}" for i in range(9)]
    server = served(classes=names, count=200, real=True)
    tell(server.session, 1, names, half(server.session, 9), range(200))
    page = visit(server.url, **form)
    page.click("#to-grid")
    opened(page)
    above = page.locator("#grid footer").bounding_box()["y"]
    boxes = [cell.bounding_box() for cell in page.locator(".cells button").all()]
    assert len(boxes) >= 3
    assert all(box["y"] + box["height"] <= above + 1 for box in boxes)
