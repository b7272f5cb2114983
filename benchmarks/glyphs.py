"""Draw the glyphs of `leaven.data.rendered_digits` anew, from the fonts that matplotlib ships.

    python -m benchmarks.glyphs src/leaven/data/embedded/glyphs.npz

What is kept are silhouettes, so that nobody needs matplotlib; a test holds that they are those of its fonts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from leaven.data.embedded.digits import CLASSES, FINE, GRID, HEIGHT

FONTS = (
    "DejaVuSans*.ttf",
    "DejaVuSerif*.ttf",
    "STIXGeneral*.ttf",
    "cm[br]10.ttf",
    "cmss10.ttf",
    "cmt[ti]10.ttf",
)


def silhouettes() -> np.ndarray:
    """Bool ``(fonts, 10, FINE · GRID, FINE · GRID)``: each glyph ``FINE · HEIGHT`` rows tall and centred."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = []
    for path in sorted(path for pattern in FONTS for path in folder.glob(pattern)):
        font = ImageFont.truetype(str(path), 120)
        boxes = [font.getbbox(digit) for digit in CLASSES]
        if min(box[3] - box[1] for box in boxes) < 40:
            continue  # a display or symbol font without digits
        for digit, (left, top, right, bottom) in zip(CLASSES, boxes, strict=True):
            scale = FINE * HEIGHT / (bottom - top)
            glyph = Image.new("L", (int(right - left), int(bottom - top)))
            ImageDraw.Draw(glyph).text((-left, -top), digit, font=font, fill=255)
            width = max(1, round(glyph.width * scale))
            canvas = Image.new("L", (FINE * GRID, FINE * GRID))
            canvas.paste(
                glyph.resize((width, FINE * HEIGHT), Image.Resampling.BICUBIC),
                ((FINE * GRID - width) // 2, FINE * (GRID - HEIGHT) // 2),
            )
            found.append(np.asarray(canvas) > 127)
    return np.array(found).reshape(-1, len(CLASSES), FINE * GRID, FINE * GRID)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    np.savez_compressed(parser.parse_args().out, glyphs=np.packbits(silhouettes(), axis=-1))


if __name__ == "__main__":
    main()
