"""How good is the naming of mistakes? Mutants of the references, students' mistakes in many hands, and right answers.

    python -m benchmarks.diagnosis [--quick] [--markdown FILE]

Everything is run in the sandbox and judged twice: by the public answer key, as a student meets it, and by the full one.
A mutant is equivalent where its values say so (`diagnosis_inputs`), whatever the autograder thinks of it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.answer_key import Key, full_key
from autograder.assess import report_on
from autograder.calls import Limits, Source
from autograder.catalogue import Catalogue, load_catalogue
from autograder.exercise import Exercise
from autograder.public_keys import read_keys
from autograder.report import PASSED, FunctionReport
from autograder.sandbox import Sandbox
from benchmarks.diagnosis_corpus import Sample, samples
from benchmarks.diagnosis_inputs import ALWAYS_RAISES, SAME, compare, functions_of
from benchmarks.diagnosis_mutants import Mutant, mutants_of
from demo.classroom import reference_source

ROOT = Path(__file__).resolve().parents[1]
LIMITS = Limits(definitions=5.0, call=0.5, call_wall=3.0, total_wall=60.0)
SEED = b"benchmark of diagnosis, a seed. "

# A second name that the numbers do not exclude.
ALSO_TRUE = {"in-place-damage": {"activation-twice"}}
NOT_RECOGNISED = "Not recognised"

Reports = tuple[Sequence[FunctionReport], Sequence[FunctionReport]]  # by the public key, by the full one


class Bench:
    """One warm sandbox and the keys of all exercises."""

    def __init__(self, catalogue: Catalogue, box: Sandbox):
        public = read_keys(ROOT)
        self.box = box
        self.keys: dict[str, tuple[Key, Key]] = {
            e.name: (public[e.name], full_key(e, SEED)) for e in catalogue.exercises()
        }

    def reports(self, exercise: Exercise, sources: list[Source]) -> Reports:
        with self.box.open(sources, [f.name for f in exercise.functions]) as session:
            public, full = (report_on(key, session) for key in self.keys[exercise.name])
        return public, full


# Mutants -------------------------------------------------------------------------------------------------------------


@dataclass
class MutantCount:
    """What became of an exercise's mutants; `killed`, `named` and so on are by (public, full)."""

    made: int = 0
    equivalent: int = 0
    always_raise: int = 0
    different: int = 0
    killed: Counter = field(default_factory=Counter)
    said: Counter = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def __add__(self, other: MutantCount) -> MutantCount:
        return MutantCount(
            *(getattr(self, n) + getattr(other, n) for n in ("made", "equivalent", "always_raise", "different")),
            self.killed + other.killed,
            self.said + other.said,
            self.lines + other.lines,
        )


def judged_mutants(bench: Bench, exercise: Exercise, step: int) -> MutantCount:
    count = MutantCount()
    right = {f.name: f.reference for f in exercise.functions}
    for mutant in mutants_of(exercise)[::step]:
        count.made += 1
        verdict = compare(exercise, right | dict(functions_of(mutant.text)))
        if verdict == SAME:
            count.equivalent += 1
            continue
        raises = verdict == ALWAYS_RAISES
        count.always_raise += raises
        count.different += not raises
        for key, reports in zip(
            ("public", "full"), bench.reports(exercise, mutant_sources(exercise, mutant)), strict=True
        ):
            if any(r.score < r.max_score for r in reports):
                count.killed[key] += 1
            else:
                count.lines.append(f"survives ({key}): {mutant.function}: {mutant.kind}: {mutant.change}")
                continue
            said = what_is_said(reports)
            if raises or said == "exception":
                count.said[key, "raising"] += 1
                count.said[key, "line shown"] += shows_a_line(reports)
            if not raises:
                count.said[key, said] += 1
                if said == "nothing" and key == "full":
                    count.lines.append(f"not recognised: {mutant.function}: {mutant.kind}: {mutant.change}")
    return count


def mutant_sources(exercise: Exercise, mutant: Mutant) -> list[Source]:
    texts = [(f.name, mutant.text if f.name == mutant.function else reference_source(f)) for f in exercise.functions]
    return [Source("cell 1", "import numpy as np")] + [
        Source(f"cell {i}", text, answers=(name,)) for i, (name, text) in enumerate(texts, 2)
    ]


def shows_a_line(reports: Sequence[FunctionReport]) -> bool:
    """Whether a report shows the exception and the student's line that it came from."""
    return any(f.raised and f.trace for r in reports for f in r.findings if not f.passed)


def what_is_said(reports: Sequence[FunctionReport]) -> str:
    """Of the first function that fails: a name, a relation, the exception with its line, or nothing."""
    report = next(r for r in reports if r.status != PASSED)
    if report.diagnosis:
        return "name"
    failing = [f for f in report.findings if not f.passed]
    if any(f.idea and not f.idea.startswith(NOT_RECOGNISED) for f in failing):
        return "relation"
    if any(f.kind not in ("failed", "blocked") for f in failing):
        return "exception"
    if all("expected" not in f.headline for f in failing) or any(f.idea for f in failing):
        return "nothing"
    return "structure"


# Students' code ------------------------------------------------------------------------------------------------------


@dataclass
class SampleCount:
    """Students' mistakes: how many were named right, wrongly or not, by (public, full)."""

    tried: int = 0
    right: Counter = field(default_factory=Counter)
    wrong: Counter = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)


def judged_samples(bench: Bench, catalogue: Catalogue, chosen: Sequence[Sample]) -> SampleCount:
    count = SampleCount()
    for sample in chosen:
        exercise = sample.exercise(catalogue)
        count.tried += 1
        for key, reports in zip(("public", "full"), bench.reports(exercise, sample.sources(exercise)), strict=True):
            names = {d for r in reports for d in r.diagnosis}
            also = set().union(*(ALSO_TRUE.get(i, ()) for i in sample.ids))
            failed = {r.name for r in reports if r.score < r.max_score}
            passed = all(r.score == r.max_score for r in reports)
            count.wrong[key] += bool(names - sample.ids - also)
            good = names - also == sample.ids and (sample.function in failed if sample.ids else passed)
            count.right[key] += good
            if not good:
                count.lines.append(f"({key}) {sample.file}: {sorted(sample.ids)}: {sample.style}: got {sorted(names)}")
    return count


# The report ----------------------------------------------------------------------------------------------------------


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none"


def rows(mutants: MutantCount, alone: SampleCount, pairs: SampleCount, right: SampleCount) -> Iterator[tuple[str, ...]]:
    """(what, by the public checks, by full grading) for each line of the table."""
    both = ("public", "full")
    apart = mutants.different + mutants.always_raise
    yield ("mutants killed, of those that compute something else", *(share(mutants.killed[k], apart) for k in both))
    n = mutants.different
    said = {k: {w: mutants.said[k, w] for w in ("name", "relation", "structure", "exception", "nothing")} for k in both}
    arrays = {k: n - said[k]["exception"] for k in both}
    yield (
        "mutants that return something wrong: a name or a relation is given",
        *(share(said[k]["name"] + said[k]["relation"], arrays[k]) for k in both),
    )
    yield ("· a name", *(share(said[k]["name"], arrays[k]) for k in both))
    yield ("· a relation", *(share(said[k]["relation"], arrays[k]) for k in both))
    yield (
        "· the shape or type that came back, in the headline",
        *(share(said[k]["structure"], arrays[k]) for k in both),
    )
    yield ("· “not recognised”", *(share(said[k]["nothing"], arrays[k]) for k in both))
    raising = {k: (mutants.said[k, "line shown"], mutants.said[k, "raising"]) for k in both}
    yield ("mutants that raise: the exception and its line are shown", *(share(*raising[k]) for k in both))
    yield ("students' mistakes named", *(share(alone.right[k], alone.tried) for k in both))
    yield ("two mistakes at once, both named", *(share(pairs.right[k], pairs.tried) for k in both))
    yield (
        "a wrong name given to a mistake or a right answer",
        *(
            share(alone.wrong[k] + pairs.wrong[k] + right.wrong[k], alone.tried + pairs.tried + right.tried)
            for k in both
        ),
    )
    yield ("right answers that pass", *(share(right.right[k], right.tried) for k in both))


def as_markdown(table: Sequence[tuple[str, ...]]) -> str:
    head = ("", "public checks", "full grading")
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * 3, *table)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every tenth mutant and every fifth sample")
    parser.add_argument("--markdown", type=Path, help="write the table there too")
    parser.add_argument("--verbose", action="store_true", help="list what survives and what is not recognised")
    options = parser.parse_args()
    start = time.perf_counter()
    catalogue = load_catalogue(ROOT / "solutions")
    with Sandbox(limits=LIMITS) as box:
        bench = Bench(catalogue, box)
        mutants = MutantCount()
        for exercise in catalogue.exercises():
            found = judged_mutants(bench, exercise, 10 if options.quick else 1)
            print(f"{exercise.name}: {found.different} mutants differ, {found.always_raise} always raise", flush=True)
            mutants += found
        step = 5 if options.quick else 1
        wrong, right = samples("wrong")[::step], samples("right")[::step]
        alone = judged_samples(bench, catalogue, [s for s in wrong if len(s.ids) == 1])
        pairs = judged_samples(bench, catalogue, [s for s in wrong if len(s.ids) > 1])
        correct = judged_samples(bench, catalogue, right)
    table = list(rows(mutants, alone, pairs, correct))
    print(
        f"\n{mutants.made} mutants made: {mutants.different} compute something else, {mutants.always_raise} always "
        f"raise, {mutants.equivalent} are equivalent; {time.perf_counter() - start:.0f} s\n"
    )
    for what, public, full in table:
        print(f"{what:68s} {public:>24s} {full:>24s}")
    for line in alone.lines + pairs.lines + correct.lines:
        print(line)
    for line in mutants.lines if options.verbose else [x for x in mutants.lines if x.startswith("survives")]:
        print(line)
    if options.markdown:
        options.markdown.write_text(as_markdown(table), encoding="utf-8")


if __name__ == "__main__":
    main()
