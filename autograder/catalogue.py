"""Loads the exercises of a course from its `solutions/` folder, by path: no layer is known by name here.

Every `*.py` of the folder (names that start with `_` are left out) is run as a module of its own and lists its
exercises as `EXERCISES`. What is loaded stays in the trusted process.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import BadInput
from autograder.exercise import Exercise, Function, Pair


class BadSolutions(BadInput):
    """A solutions folder that cannot be used."""


@dataclass(frozen=True)
class Layer:
    """One solutions file: its path, its text and the exercises it lists."""

    path: Path
    text: str
    exercises: tuple[Exercise, ...]


@dataclass(frozen=True)
class Catalogue:
    """All exercises of a course, in the order of the files' names."""

    folder: Path
    layers: tuple[Layer, ...]

    def exercises(self, assignment: str | None = None) -> tuple[Exercise, ...]:
        """The exercises of one assignment, or of all."""
        return tuple(
            e for layer in self.layers for e in layer.exercises if assignment is None or e.assignment == assignment
        )

    def functions(self, assignment: str | None = None) -> tuple[Function, ...]:
        return tuple(f for e in self.exercises(assignment) for f in e.functions)

    @property
    def assignments(self) -> tuple[str, ...]:
        return tuple(sorted({e.assignment for e in self.exercises()}))

    def names_by_assignment(self) -> Mapping[str, tuple[str, ...]]:
        return {a: tuple(f.name for f in self.functions(a)) for a in self.assignments}

    @property
    def digest(self) -> str:
        """Changes whenever a solutions file does."""
        digest = hashlib.sha256()
        for layer in self.layers:
            digest.update(layer.path.name.encode() + b"\0" + layer.text.encode() + b"\0")
        return digest.hexdigest()[:16]

    def digests(self, assignment: str) -> dict[str, str]:
        """By the exercise's name, what changes whenever the file that describes it does."""
        return {
            e.name: hashlib.sha256(f"{e.name}\0{layer.text}".encode()).hexdigest()[:16]
            for layer in self.layers
            for e in layer.exercises
            if e.assignment == assignment
        }

    def exercise_of(self, name: str, assignment: str | None = None) -> Exercise:
        """The exercise called `name`, or the one that holds the function of that name.

        Args:
            assignment: of which the names are told where there is none such; None for all.
        """
        for exercise in self.exercises():
            if exercise.name == name or name in (f.name for f in exercise.functions):
                return exercise
        known = dict.fromkeys(n for e in self.exercises(assignment) for n in (e.name, *(f.name for f in e.functions)))
        raise BadSolutions(f"there is no exercise called {name!r}; there are {', '.join(known)}")


def load_catalogue(folder: Path | str) -> Catalogue:
    """Loads every solutions file below `folder`.

    Raises:
        BadSolutions: the folder is missing or holds no exercise, a file does not run, or two exercises share a name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadSolutions(f"no folder of solutions at {folder}; name one with --solutions")
    layers = tuple(_load_layers(folder))
    names = [f.name for layer in layers for e in layer.exercises for f in e.functions]
    if not names:
        raise BadSolutions(f"{folder} holds no exercise; a solutions file lists its own as EXERCISES")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadSolutions(f"{folder} defines {', '.join(twice)} more than once")
    return Catalogue(folder, layers)


def _load_layers(folder: Path) -> Iterator[Layer]:
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("_"):
            continue
        text = path.read_text(encoding="utf-8")
        # A name of its own for each folder and text, so that two courses in one process do not meet.
        key = hashlib.sha256(f"{path.resolve()}\0{text}".encode()).hexdigest()[:12]
        name = f"_solutions_{key}_{path.stem}"
        module = sys.modules.get(name)
        if module is None:
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module  # dataclasses and inspect look modules up there
            bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
            try:
                spec.loader.exec_module(module)
            except Exception as error:
                del sys.modules[name]
                raise BadSolutions(f"{path} does not run: {type(error).__name__}: {error}") from error
            finally:
                sys.dont_write_bytecode = bytecode
        exercises = tuple(getattr(module, "EXERCISES", ()))
        for exercise in exercises:
            _check(path, exercise)
        if exercises:
            yield Layer(path, text, exercises)


def _check(path: Path, exercise: Exercise) -> None:
    if not isinstance(exercise, Pair | Function):
        raise BadSolutions(f"{path}: EXERCISES holds a {type(exercise).__name__}, not a Pair or a Function")
    if not exercise.assignment:
        raise BadSolutions(f"{path}: {exercise.name} does not say which assignment it belongs to")
    names = [case.name for case in exercise.cases]
    if not names or len(set(names)) < len(names):
        raise BadSolutions(f"{path}: {exercise.name} needs cases, each with a name of its own")
    if not any(not case.hidden and not case.extreme for case in exercise.cases):
        raise BadSolutions(f"{path}: {exercise.name} needs at least one public case that is not extreme")
