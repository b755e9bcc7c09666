"""The rendered notebooks are valid, the pages stand alone, and render.py notices what is stale.

    notebooks_test.py SOURCE_DIR PROGRAM_OF_04 SCRATCH
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE, PROGRAM, SCRATCH = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
NOTEBOOKS = sorted(SOURCE.glob("[0-9]*.ipynb"))
KEYS = {"markdown": {"cell_type", "id", "metadata", "source"},
        "code": {"cell_type", "id", "metadata", "source", "execution_count", "outputs"}}
OUTPUT_KEYS = {"stream": {"output_type", "name", "text"}, "display_data": {"output_type", "data", "metadata"}}


class Rendered(unittest.TestCase):
    def test_every_program_has_a_notebook_and_a_page(self):
        self.assertEqual(len(NOTEBOOKS), 5)
        for kind in "*.cpp", "*.html":
            self.assertEqual([path.stem for path in NOTEBOOKS], sorted(p.stem for p in SOURCE.glob("[0-9]" + kind)))

    def test_notebooks_obey_the_schema_of_nbformat_4_5(self):
        for path in NOTEBOOKS:
            book = json.loads(path.read_text())
            self.assertEqual((book["nbformat"], book["nbformat_minor"]), (4, 5))
            self.assertEqual(set(book), {"cells", "metadata", "nbformat", "nbformat_minor"})
            self.assertLessEqual({"name", "display_name"}, set(book["metadata"]["kernelspec"]))
            ids = [cell["id"] for cell in book["cells"]]
            self.assertEqual(len(ids), len(set(ids)))
            for cell in book["cells"]:
                self.assertEqual(set(cell), KEYS[cell["cell_type"]], path)
                self.assertRegex(cell["id"], r"^[a-zA-Z0-9-_]{1,64}$")
                for output in cell.get("outputs", []):
                    self.assertEqual(set(output), OUTPUT_KEYS[output["output_type"]], path)

    def test_files_are_small_and_hold_no_path_of_a_machine(self):
        for path in SOURCE.glob("[0-9]*"):
            text = path.read_text()
            self.assertLess(len(text), 500_000, path)
            self.assertNotRegex(text, r"/(home|tmp|work|usr|root)/|patchlevel", path)

    def test_pages_stand_alone_and_show_every_formula(self):
        for path in NOTEBOOKS:
            page = path.with_suffix(".html").read_text()
            self.assertNotRegex(page, r"<script|<link|(src|href)=\"(?!data:|#)", path)
            self.assertIn("<math", page)
            self.assertNotRegex(re.sub(r"<(pre|code).*?</\1>", "", page, flags=re.DOTALL), r"\$|\\[a-z]+", path)


class Stale(unittest.TestCase):
    """On a copy, as whoever edits it would leave it."""

    def setUp(self):
        shutil.rmtree(SCRATCH, ignore_errors=True)
        SCRATCH.mkdir(parents=True)
        for path in SOURCE.glob("04_*"):
            shutil.copy(path, SCRATCH)
        self.source = next(SCRATCH.glob("04_*.cpp"))

    def complaint(self):
        done = subprocess.run([sys.executable, SOURCE / "render.py", "--check", PROGRAM, self.source],
                              capture_output=True, text=True)
        return done.stderr if done.returncode else ""

    def replace(self, suffix, old, new):
        path = self.source.with_suffix(suffix)
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def test_nothing_is_stale_as_committed(self):
        self.assertEqual(self.complaint(), "")

    def test_a_changed_sentence_is_noticed(self):
        self.replace(".cpp", "// # Cutting", "// # cutting")
        self.assertIn("stale: 04_taylor.ipynb", self.complaint())

    def test_a_changed_number_is_noticed(self):
        self.replace(".ipynb", "0.14932", "0.14933")
        self.assertIn("stale: 04_taylor.ipynb", self.complaint())

    def test_a_page_of_another_notebook_is_noticed(self):
        self.replace(".html", 'content="', 'content="0')
        self.replace(".html", '<meta name="made-from" content="', '<meta name="made-from" content="0')
        self.assertIn("stale: 04_taylor.html", self.complaint())

    def test_a_figure_drawn_from_other_numbers_is_not_kept(self):
        self.replace(".ipynb", '"drawn_from": "', '"drawn_from": "0')
        self.assertIn("04_taylor.ipynb", self.complaint())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
