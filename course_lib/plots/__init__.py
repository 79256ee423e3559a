"""Every figure that more than one lesson draws.

Each function takes and returns matplotlib's `Axes` (those that draw several, an array of them), labels its axes with
their units, and describes what it has drawn; `alt_text` replaces that description by a better one, and importing this
package inside IPython makes it reach the notebook's output. What was made on the miniature says so in the figure.

Notable: colours are Okabe and Ito's, and colour is never alone: lines have styles and markers, bars have hatches.
"""

from course_lib.plots.alt import alt_text, description, install
from course_lib.plots.architecture import architecture
from course_lib.plots.classes import class_counts, confusion, per_class
from course_lib.plots.costs import accuracy_against_cost, cost_bars
from course_lib.plots.curves import compare, learning_curves
from course_lib.plots.images import boxes_and_masks, filters, image_grid
from course_lib.plots.style import PALETTE, SERIES, mark_miniature

install()

__all__ = [
    "PALETTE",
    "SERIES",
    "accuracy_against_cost",
    "alt_text",
    "architecture",
    "boxes_and_masks",
    "class_counts",
    "compare",
    "confusion",
    "cost_bars",
    "description",
    "filters",
    "image_grid",
    "learning_curves",
    "mark_miniature",
    "per_class",
]
