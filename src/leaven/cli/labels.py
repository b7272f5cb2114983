"""``leaven labels``: what a label store holds, in and out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.options import Json, Unlabelled
from leaven.cli.show import print_json, tell
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.labels import Event, State

AUTO = "auto"  # a format by the name of the file
MOST = 10  # conflicts that a person is shown

app = typer.Typer(help="What a label store holds, in and out.", no_args_is_help=True)

Where = Annotated[str, typer.Argument(help="Run folder, file, or postgresql:// URL.", metavar="STORE")]
Format = Annotated[str, typer.Option("--format", help="auto (by the name), csv, jsonl, label-studio, coco, masks.")]


@app.command()
def status(where: Where, as_json: Json = False) -> None:
    """Counts by class and by annotator, how far annotators agree, and on what they do not."""
    from leaven.labels import Store

    with Store.open(where, create=False) as store:
        content = {"store": store.name} | _content(store.state())
    if as_json:
        return print_json(content)
    return _print(content)


@app.command("import")
def import_(
    where: Where,
    path: Annotated[Path, typer.Argument(help="File of labels, or folder of masks.", metavar="FILE")],
    form: Format = "auto",
    annotator: Annotated[str, typer.Option(help="Whose answers, where the file names nobody.")] = "import",
    images: Annotated[Path | None, typer.Option(help="Folder of images, to find those that the file names.")] = None,
    mask_values: Annotated[
        str | None,
        typer.Option(metavar="NUMBER=CLASS,...", help="What numbers in masks stand for: 0=background,255=object."),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Class of the pixels that nobody painted; else they do not count."),
    ] = None,
    unlabelled: Unlabelled = None,
    replace: Annotated[bool, typer.Option("--replace", help="Answers replace others of the same annotator.")] = False,
    as_json: Json = False,
) -> None:
    """Keep what a file says, all or nothing."""
    from leaven.data.readers.mask_values import parse
    from leaven.labels import Store
    from leaven.labels.formats.transfer import detect_format, read_labels, require_format
    from leaven.labels.location import SUFFIXES, is_store

    if not path.exists():
        raise LeavenError(f"There is no file {path} to import, expected one of labels: check the path.")
    form = detect_format(path) if form == AUTO else require_format(form)
    if not is_store(where) and not Path(where).is_dir():  # a run folder's name with a slip must not become a file
        raise LeavenError(
            f"There is no label store {where}, expected one, a folder, or the name of a new file that ends in "
            f"{', '.join(sorted(SUFFIXES))}: check the path."
        )
    values = None if mask_values is None else parse(mask_values)
    # before a store is made for what cannot be read
    labels = read_labels(path, form, annotator, images, values=values, background=background, unlabelled=unlabelled)
    with Store.open(where) as store:
        result = labels.add_to(store, replacing=replace)
        name = store.name
    new = f" and {len(result.classes)} new classes" if result.classes else ""
    tell(
        {
            "store": name,
            "format": form,
            "answers": result.answers,
            "replaced": result.replaced,
            "known": result.already_there,
            "classes": list(result.classes),
            "left_out": labels.left.counts,
            "notes": list(labels.notes),
        },
        as_json,
        " ".join(
            [
                f"{result.answers} answers{new} of {path} in {name} ({result.replaced} replace others, "
                f"{result.already_there} known).",
                *labels.notes,
            ]
        ),
    )


@app.command()
def export(
    where: Where,
    out: Annotated[Path, typer.Argument(help="File to write; for masks, a folder.", metavar="OUT")],
    form: Format = "auto",
    by: Annotated[str, typer.Option(help="One class of several answers: majority or dawid_skene.")] = "majority",
    every: Annotated[bool, typer.Option("--all", help="Every annotator's answer in place of one class.")] = False,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="Write items that judge the model too.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write the labels for leaven or for other programs."""
    import shutil

    from leaven.labels import Store
    from leaven.labels.formats.transfer import EVERY, MASKS, detect_format, export_labels, require_format
    from leaven.labels.location import is_store
    from leaven.utils.files import require_writable, whole

    if form == AUTO and out.suffix.lower() == ".json":
        raise LeavenError(f"{out} could be of two formats: say --format label-studio or --format coco.")
    form = require_format(form if form != AUTO else detect_format(out) if out.suffix else MASKS)
    by = EVERY if every else by
    if form == MASKS and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LeavenError(f"Masks cannot be written as {out}; name a folder that is new or empty.")
    if form != MASKS and out.is_dir():
        raise LeavenError(f"Labels cannot be written as {out}, which is a folder; name a file.")
    if form != MASKS and out.exists() and (not overwrite or is_store(out)):
        way = "name a new file" if is_store(out) else "give --overwrite or name a new file"
        raise LeavenError(f"{out} is there already and would be lost: {way}.")
    require_writable(out)
    with Store.open(where, create=False) as store:
        with whole(out) as part:
            try:
                if form == MASKS:
                    shutil.rmtree(part, ignore_errors=True)  # of a command that was killed
                    part.mkdir()
                count = export_labels(store, part, form, by, audit=audit)
            except BaseException:
                if form == MASKS:
                    shutil.rmtree(part, ignore_errors=True)
                raise
        ties = len(store.state().consensus(by).ties) if form in ("csv", "coco") and by != EVERY else 0
    left = f"; left out, for the annotators are divided: {ties}" if ties else ""
    what = {"jsonl": "events", "label-studio": "answers", "coco": "images", "masks": "masks"}.get(form, "lines")
    tell(
        {"out": str(out), "format": form, what: count, "ties": ties},
        as_json,
        f"{count} {what} in {out}{left}.",
    )


@app.command()
def history(
    where: Where,
    item: Annotated[str | None, typer.Argument(help="One item.", metavar="ITEM")] = None,
    as_json: Json = False,
) -> None:
    """Who said what, and when; of one item or of all."""
    from leaven.labels import Store
    from leaven.labels.event import to_dict

    with Store.open(where, create=False) as store:
        events = [event for event in store.events() if item is None or event.item == item]
        name = store.name
    if item is not None and not events:
        raise LeavenError(f"{name} has no events of {item}: name the item as `leaven labels history {where}` does.")
    if as_json:
        return print_json([to_dict(event) for event in events])
    for event in events:
        print(f"{event.seq:>6}  {event.at[:19]}  {event.annotator}  {_words(event)}")
    return None


def _words(event: Event) -> str:
    what = {
        "label": f"{event.item}: {event.label}",
        "undo": f"undo of {event.item or event.undoes}",
        "class_add": f"new class {event.label}",
        "class_rename": f"class {event.old} is now {event.label}",
        "class_remove": f"class {event.old} removed",
    }.get(event.kind, f"{event.item}: {event.kind}")
    about = [event.strategy, "audit" if event.audit else "", "replaces another answer" if event.replaces else ""]
    if event.suggestion:
        about.append(f"{'shown' if event.shown else 'not shown'}: {event.suggestion}")
    text = ", ".join(part for part in about if part)
    return f"{what} ({text})" if text else what


def _content(state: State) -> dict[str, Any]:
    from leaven.labels.agreement import agreement

    events = [event for given in state.answers.values() for event in given.values()]
    agreed, agreed_on = state.consensus(), agreement(state.votes)
    by_class = Counter(agreed.labels.values())
    kinds = Counter((event.annotator, event.kind) for event in events)
    content: dict[str, Any] = {
        "events": state.seq,
        "items": len(state.answers),
        "labelled": len(agreed.labels),
        "audit": len(state.audit),
        "masks": sum(any(event.kind == "mask" for event in given.values()) for given in state.answers.values()),
        "classes": {name: by_class[name] for name in state.classes},
        "annotators": {
            who: {kind: kinds[who, kind] for kind in ("label", "skip", "unsure", "mask")}
            for who in sorted({event.annotator for event in events})
        },
        "agreement": {
            "items": agreed_on.items,
            "observed": agreed_on.observed,
            "fleiss": agreed_on.fleiss,
            "krippendorff": agreed_on.krippendorff,
            "pairs": [
                dict(zip(("a", "b", "items", "observed", "cohen"), pair, strict=True)) for pair in agreed_on.pairs
            ],
        },
        "conflicts": {item: dict(state.votes[item]) for item in agreed.ties},
    }
    if agreed_on.items:
        content["estimated_accuracy"] = state.consensus("dawid_skene").accuracy
    return content


def _print(content: dict[str, Any]) -> None:
    print(
        f"{content['store']}: {content['labelled']} items labelled of {content['items']} answered, {content['events']} "
        f"events; {content['audit']} audit items, {content['masks']} with masks."
    )
    for name, count in content["classes"].items():
        print(f"  {name}: {count}")
    for who, kinds in content["annotators"].items():
        accuracy = content.get("estimated_accuracy", {}).get(who)
        right = "" if accuracy is None else f"; right in about {100 * accuracy:.0f} % (Dawid-Skene)"
        print(f"{who}: {', '.join(f'{n} {kind}' for kind, n in kinds.items() if n)}{right}")
    agreed_on = content["agreement"]
    if agreed_on["items"]:
        figures = [f"observed {100 * agreed_on['observed']:.1f} %"]
        names = {"fleiss": "Fleiss' kappa", "krippendorff": "Krippendorff's alpha"}
        figures += [f"{names[key]} {agreed_on[key]:.3f}" for key in names if agreed_on[key] is not None]
        print(f"Agreement on {agreed_on['items']} items with several labels: {', '.join(figures)}")
    for pair in agreed_on["pairs"]:
        kappa = "" if pair["cohen"] is None else f", Cohen's kappa {pair['cohen']:.3f}"
        print(f"  {pair['a']} and {pair['b']}: {100 * pair['observed']:.1f} % of {pair['items']}{kappa}")
    conflicts = list(content["conflicts"].items())
    for item, votes in conflicts[:MOST]:
        print(f"Conflict on {item}: {', '.join(f'{who} {label}' for who, label in votes.items())}")
    if len(conflicts) > MOST:
        print(f"and {len(conflicts) - MOST} conflicts more: --json lists them all.")
