"""The command line: one command, `autograder`, with a word for each thing to do.

Bad input ends in one line on stderr that says what to do, and exit code 2; nothing is left half-written. What a student
uses needs numpy alone: everything else is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from autograder import __version__
from autograder.errors import BadInput

# Named here, so that a student's command need not import them all.
FORMATS = ("classroom50", "csv", "github", "gitlab", "gradescope", "junit", "nbgrader", "prairielearn")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that lacks a letter of a student's shows a ? in its place
            stream.reconfigure(errors="replace")
    arguments = _parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        print(end="", flush=True)  # now, while what goes wrong can still be said
        return code
    except BrokenPipeError:
        _drop_output()  # the reader has gone: nobody to tell
        return 1
    except KeyboardInterrupt as stopped:
        print(f"autograder: {str(stopped) or 'stopped'}", file=sys.stderr)
        return 130
    except BadInput as error:
        why = str(error)
    except OSError as error:
        why = _of_the_system(error)
    print(f"autograder: {' '.join(why.split())}", file=sys.stderr)
    return 2


def _of_the_system(error: OSError) -> str:
    """What the operating system refused, and to which file."""
    try:
        print(end="", flush=True)
    except OSError as untold:  # > /dev/full
        _drop_output()
        return f"the output cannot be written: {untold.strerror}"
    if error.filename is None:
        return str(error)
    return f"{error.filename} cannot be read or written: {error.strerror}"


def _tell(text: str) -> None:
    """Tells it at once; where the reader has gone (`| head`) there is nobody to tell, and the work goes on."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        _drop_output()


def _warn(text: str) -> None:
    print(f"autograder: {text}", file=sys.stderr)


def _drop_output() -> None:
    """Nothing told from now on goes anywhere; else Python would try once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autograder", description="Checks and grades backward passes written by hand, and names the mistake."
    )
    parser.add_argument("--version", action="version", version=f"autograder {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = _command(commands, "check", _check, "student: run the public checks of a notebook, a .py file or layers/")
    check.add_argument("path", nargs="?", type=Path, metavar="PATH", help="default: the notebook or layers/ here")
    check.add_argument("-e", "--exercise", metavar="EXERCISE", help="one function only, e.g. sigmoid_backward")
    check.add_argument("--hints", type=int, default=1, metavar="N", help="how many hints to show (default 1)")
    check.add_argument("--assignment", metavar="A", help="one assignment of a repository (default: all that are begun)")
    check.add_argument("--out", type=Path, metavar="DIR", help="where results and formats go; for CI")
    _format_option(check, FORMATS)
    check.add_argument("--json", action="store_true", help=argparse.SUPPRESS)

    watch = _command(commands, "watch", _watch, "student: check again at every save, and say what comes next")
    watch.add_argument("path", nargs="?", type=Path, metavar="PATH", help="default: the notebook or layers/ here")
    watch.add_argument("--assignment", metavar="A", help="which it is, where the functions do not tell")
    watch.add_argument("--hints", type=int, default=1, metavar="N", help="how many hints to show (default 1)")

    stubs = _command(commands, "stubs", _stubs, "contributor: write layers/ and the public keys from solutions/")
    _solutions_option(stubs)
    stubs.add_argument("--layers", type=Path, metavar="DIR", help="where stubs go (default: layers/ beside solutions/)")
    stubs.add_argument("--keys", type=Path, metavar="DIR", help="where public keys go (default: the package's own)")
    stubs.add_argument("--check", action="store_true", help="write nothing; exit 1 if anything is out of date")

    course = _command(commands, "course", _course, "instructor: make or refresh an nbgrader course directory")
    course.add_argument("dir", type=Path, metavar="DIR")
    course.add_argument("--db", metavar="URL", help="the gradebook, e.g. postgresql+psycopg://user@host/name")
    _solutions_option(course)
    course.add_argument("--assignments", type=Path, metavar="DIR", help="default: assignments/ beside solutions/")

    release = _command(commands, "release", _release, "instructor: make or refresh a repository for students")
    release.add_argument("dir", type=Path, metavar="DIR")
    release.add_argument(
        "--with-layers", action="store_true", help="hand out working layers where later work needs them"
    )
    release.add_argument("--url", default="", metavar="URL", help="where it will be published, for Colab and Binder")
    _solutions_option(release)
    release.add_argument("--assignments", type=Path, metavar="DIR", help="default: assignments/ beside solutions/")

    gradescope = _command(commands, "gradescope", _gradescope, "instructor: make the zip that Gradescope grades with")
    gradescope.add_argument("out", type=Path, metavar="OUT.zip")
    ci = _command(commands, "ci", _ci, "instructor: make a ready grader for another place")
    ci.add_argument("kind", choices=("classroom50", "github", "gitlab", "prairielearn"))
    ci.add_argument("dir", type=Path, metavar="DIR")
    for parser_of_bundle in (gradescope, ci):
        parser_of_bundle.add_argument("--assignment", metavar="A", help="default: the only one there is")
        parser_of_bundle.add_argument("--accept-weak-sandbox", action="store_true", help="grade there in any case")
        _solutions_option(parser_of_bundle)

    grade = _command(commands, "grade", _grade, "instructor, CI: grade with the full key")
    grade.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSION")
    grade.add_argument("--out", required=True, type=Path, metavar="DIR", help="where results.json goes")
    grade.add_argument("--assignment", metavar="A", help="default: the one whose functions are defined")
    grade.add_argument("--student", metavar="ID", help="whose it is, for a single submission")
    _solutions_option(grade)
    grade.add_argument("--jobs", type=int, default=1, metavar="N", help="how many processes grade (default 1)")
    _format_option(grade, sorted((*FORMATS, "canvas")))
    grade.add_argument("--gradebook", type=Path, metavar="FILE", help="for --format canvas: what Canvas exported")
    grade.add_argument("--column", metavar="TITLE", help="for --format canvas: the assignment's title there")
    grade.add_argument("--cluster", metavar="ADDRESS", help="grade on the Dask cluster at tcp://HOST:PORT instead")
    grade.add_argument("--fresh", action="store_true", help="grade all again, also what is known from an earlier run")
    grade.add_argument("--fail-under", type=float, metavar="P", help="exit 1 if a submission has less than P percent")
    _weak_sandbox_option(grade)

    report = _command(commands, "report", _report, "instructor: the class at a glance, from DIR/results.json")
    report.add_argument("dir", type=Path, metavar="DIR", help="the folder with results.json")
    report.add_argument("--format", choices=("html", "md"), default="html", help="md is told, html written to DIR")

    replay = _command(
        commands, "replay", _replay, "instructor: repeat one student's hidden cases exactly, on an appeal"
    )
    replay.add_argument("dir", type=Path, metavar="DIR", help="the folder with results.json")
    replay.add_argument("student", metavar="STUDENT")
    replay.add_argument("exercise", metavar="EXERCISE", help="a function or a layer: sigmoid_backward, sigmoid")
    replay.add_argument("--for-student", action="store_true", help="what to hand out: no hidden and no expected value")
    replay.add_argument("--submission", type=Path, metavar="PATH", help="where it is now, if it was moved")
    _solutions_option(replay)
    _weak_sandbox_option(replay)

    _command(commands, "doctor", _doctor, "anyone: prove by trying what protects this machine from a submission")

    secret = _command(commands, "secret", _secret, "instructor: show, export or import the course secret")
    secret.add_argument("action", choices=("show", "export", "import"))
    secret.add_argument("--replace", action="store_true", help="import over another secret")
    _solutions_option(secret)
    return parser


def _command(commands, name: str, run: Callable, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    return parser


def _solutions_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--solutions", type=Path, metavar="DIR", help="the solutions (default: the course's)")


def _weak_sandbox_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accept-weak-sandbox", action="store_true", help="go on although this machine cannot confine a submission"
    )


def _format_option(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    what = f"also as F, which is {', '.join(names[:-1])} or {names[-1]}; may be repeated"
    parser.add_argument("--format", action="append", default=[], metavar="F", help=what)


# Where things are -----------------------------------------------------------------------------------------------------


def find_solutions(given: Path | None, near: Sequence[Path] = ()) -> Path:
    """The solutions folder: the one given, else that of the course directory around the work, else the checkout's."""
    if given is not None:
        return given
    for start in (*near, Path.cwd()):
        start = start.resolve()
        for folder in (start, *start.parents):
            marker = folder / ".autograder-course"
            if os.path.isfile(marker):  # which says no of what a closed folder holds; who reads that one says why
                from autograder.handing_out.nbgrader_course import solutions_of

                return solutions_of(folder)
    for root in (Path.cwd(), Path(__file__).resolve().parent.parent):
        if (root / "solutions").is_dir():
            return root / "solutions"
    raise BadInput("no solutions here to grade with; name their folder with --solutions")


# The commands ---------------------------------------------------------------------------------------------------------


def _check(arguments: argparse.Namespace) -> int:
    from autograder.student.repository_check import is_repository
    from autograder.student.self_check import check_work
    from autograder.student.terminal import is_fancy, with_bold_heads

    here = arguments.path or Path()
    whole = (
        arguments.out or arguments.format or arguments.assignment or (is_repository(here) and not arguments.exercise)
    )
    if whole and not arguments.json:
        return _check_repository(arguments, here)
    path = arguments.path or _own_work()
    try:
        result = check_work(path, exercise=arguments.exercise, assignment=arguments.assignment, hints=arguments.hints)
    except ValueError as error:
        raise BadInput(error) from error
    if arguments.json:
        print(json.dumps(result.as_dict()))
    else:
        print(with_bold_heads(result.text, is_fancy(sys.stdout)))
    return 0 if result.passed else 1


def _watch(arguments: argparse.Namespace) -> int:
    from autograder.student.repository_check import is_repository
    from autograder.student.watch import watch

    path = arguments.path or (Path() if is_repository(Path()) else _own_work())
    return watch(path, assignment=arguments.assignment, hints=arguments.hints, is_repository=is_repository)


def _check_repository(arguments: argparse.Namespace, path: Path) -> int:
    from autograder.publish import wanted
    from autograder.student.repository_check import check_and_write, passed

    if arguments.exercise is not None:
        raise BadInput("-e checks one function here and now; --out, --format and --assignment check whole assignments")
    records = check_and_write(
        path,
        assignment=arguments.assignment,
        out=arguments.out,
        asked=wanted(arguments.format),
        hints=arguments.hints,
        tell=_tell,
    )
    return 0 if passed(records, all_begun=arguments.assignment is not None) else 1


def _own_work() -> Path:
    """What a student most likely means: the only notebook here, else layers/."""
    notebooks = sorted(Path().glob("*.ipynb"))
    if len(notebooks) == 1:
        return notebooks[0]
    if Path("layers").is_dir():
        return Path("layers")
    which = "several notebooks" if notebooks else "no notebook and no layers/"
    raise BadInput(f"{which} here; say what to check: autograder check PATH")


def _stubs(arguments: argparse.Namespace) -> int:
    from autograder.catalogue import load_catalogue
    from autograder.public_keys import PACKAGED

    _needs_instructor_extra()
    from autograder.handing_out.stubs import stale_files, write_stubs
    from autograder.rendering.shown import counted

    solutions = find_solutions(arguments.solutions)
    catalogue = load_catalogue(solutions)
    layers = arguments.layers or solutions.resolve().parent / "layers"
    keys = arguments.keys or PACKAGED
    if arguments.check:
        stale = stale_files(catalogue, layers, keys)
        for path in stale:
            print(f"out of date: {path}; run `autograder stubs`")
        return 1 if stale else 0
    written = write_stubs(catalogue, layers, keys)
    print(f"{counted(len(written), 'file')} written" if written else "nothing to do: stubs and keys are up to date")
    return 0


def _course(arguments: argparse.Namespace) -> int:
    from autograder.catalogue import load_catalogue

    _needs_instructor_extra()
    from autograder.handing_out.nbgrader_course import make_course

    solutions = find_solutions(arguments.solutions)
    assignments = arguments.assignments or solutions.resolve().parent / "assignments"
    print(make_course(load_catalogue(solutions), assignments, arguments.dir, db_url=arguments.db))
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from autograder.catalogue import load_catalogue

    _needs_instructor_extra()
    from autograder.handing_out.student_repository import make_release

    solutions = find_solutions(arguments.solutions)
    assignments = arguments.assignments or solutions.resolve().parent / "assignments"
    catalogue = load_catalogue(solutions)
    print(make_release(catalogue, assignments, arguments.dir, url=arguments.url, with_layers=arguments.with_layers))
    return 0


def _course_of(arguments: argparse.Namespace):
    from autograder.catalogue import load_catalogue
    from autograder.handing_out.bundles import Course
    from autograder.secret import course_secret

    catalogue = load_catalogue(find_solutions(arguments.solutions))
    assignment = arguments.assignment
    if assignment is None and len(catalogue.assignments) > 1:
        raise BadInput(f"say for which assignment: --assignment {' or '.join(catalogue.assignments)}")
    assignment = assignment or catalogue.assignments[0]
    return Course(catalogue, assignment, course_secret(catalogue.folder), weak=arguments.accept_weak_sandbox)


def _gradescope(arguments: argparse.Namespace) -> int:
    from autograder.handing_out.bundles import write_gradescope

    write_gradescope(_course_of(arguments), arguments.out)
    print(f"{arguments.out}: holds the solutions and the course secret; keep it as you keep those")
    return 0


def _ci(arguments: argparse.Namespace) -> int:
    from autograder.handing_out.bundles import write_bundle

    print(write_bundle(arguments.kind, _course_of(arguments), arguments.dir))
    return 0


def _grade(arguments: argparse.Namespace) -> int:
    from autograder.publish import publish_run, wanted
    from autograder.whole_class.run import ClassRun, grade_class

    asked = wanted(arguments.format, gradebook=arguments.gradebook, column=arguments.column)
    solutions = find_solutions(arguments.solutions, arguments.submissions)
    if arguments.jobs < 1:
        raise BadInput("--jobs takes a number from 1 up")
    if arguments.fail_under is not None and not 0 <= arguments.fail_under <= 100:
        raise BadInput("--fail-under takes a percentage from 0 to 100")
    run = ClassRun(
        submissions=tuple(arguments.submissions),
        out=arguments.out,
        solutions=solutions,
        assignment=arguments.assignment,
        student=arguments.student,
        jobs=arguments.jobs,
        confine="none" if arguments.accept_weak_sandbox else "full",
        fresh=arguments.fresh,
        cluster=arguments.cluster,
    )
    try:
        reports = grade_class(run, tell=asked.told(_tell), warn=_warn, check=asked.check)
        publish_run(arguments.out, asked, _tell)
    except ValueError as error:
        raise BadInput(error) from error
    if arguments.fail_under is not None:
        under = [r for r in reports if r.score < arguments.fail_under / 100 * r.max_score]
        return 1 if under else 0
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from autograder.class_report import summary_of, to_markdown, write_page
    from autograder.results import folder_of

    folder = folder_of(arguments.dir)
    print(to_markdown(summary_of(folder)) if arguments.format == "md" else write_page(folder))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from autograder.results import folder_of
    from autograder.whole_class.replay import replay

    folder = folder_of(arguments.dir)
    try:
        text = replay(
            folder,
            arguments.student,
            arguments.exercise,
            solutions=find_solutions(arguments.solutions, (folder,)),
            submission=arguments.submission,
            for_student=arguments.for_student,
            confine="none" if arguments.accept_weak_sandbox else "full",
        )
    except ValueError as error:
        raise BadInput(error) from error
    print(text)
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from autograder.sandbox.doctor import examine

    found = examine()
    print("\n".join(found.lines()))
    return 0 if found.sound else 1


def _secret(arguments: argparse.Namespace) -> int:
    from autograder.catalogue import load_catalogue
    from autograder.secret import course_secret, fingerprint, parse_secret, secret_path, write_secret

    # A secret beside a folder that holds no solutions would be nobody's.
    solutions = load_catalogue(find_solutions(arguments.solutions)).folder
    if arguments.action == "import":
        secret = parse_secret(sys.stdin.read())
        path = secret_path(solutions)
        there = course_secret(solutions) if path.exists() else None
        if there not in (None, secret) and not arguments.replace:
            raise BadInput(
                f"{path} holds another secret; grades made with it could not be repeated: --replace to go on"
            )
        write_secret(path, secret, replace=True)
        print(f"course secret {fingerprint(secret)}")
        return 0
    secret = course_secret(solutions)
    print(secret.hex() if arguments.action == "export" else f"course secret {fingerprint(secret)}")
    return 0


def _needs_instructor_extra() -> None:
    try:
        import jupytext  # noqa: F401
        import nbgrader  # noqa: F401
    except ImportError:
        raise BadInput('this command needs nbgrader: pip install "backprop-by-hand[instructor]"') from None
