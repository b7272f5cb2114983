"""Fixtures of the views' tests."""

import pytest


@pytest.fixture(params=[False, True], ids=["subset", "dense"])
def every_path(request, monkeypatch):
    """Both ways through `Rows`: the CPU's, and the one for accelerators, run on the CPU."""
    if request.param:
        from leaven.augment.rows import Rows

        def dense(self, mask):
            self.mask, self.index = mask, None

        monkeypatch.setattr(Rows, "__init__", dense)
    return request.param
