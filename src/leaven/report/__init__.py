"""The page that a person reads: one self-contained HTML file out of a run folder."""

from leaven.report.page import write_report

__all__ = ["write_report"]
