"""What `import` finds in a submission's process besides numpy and the standard library.

Plotting, notebook and data modules are inert stand-ins, so that an honest notebook defines its functions. Those that
compute (scipy, scikit-learn, pandas) are inert while cells run, and say so when a graded function relies on them.
Frameworks that differentiate, and everything else, are refused with a sentence. A submission's own files come first.
"""

from __future__ import annotations

import importlib.machinery
import opcode
import sys
import types

_INERT = """
IPython autograder bokeh cv2 dotenv google graphviz imageio ipykernel ipywidgets jupyter matplotlib matplotlib_inline
mpl_toolkits nbgrader networkx notebook otter plotly seaborn tqdm wandb
"""
_COMPUTING = "PIL h5py joblib pandas requests scipy skimage sklearn sympy torchvision"
_FRAMEWORKS = "autograd chainer cupy flax haiku jax keras mxnet numba paddle tensorflow theano torch"
INERT, COMPUTING, FRAMEWORKS = frozenset(_INERT.split()), frozenset(_COMPUTING.split()), frozenset(_FRAMEWORKS.split())

_UNPACK = opcode.opmap["UNPACK_SEQUENCE"]
_UNPACK_EX = opcode.opmap["UNPACK_EX"]


class StandIns:
    """Finds the inert modules. While `grading` is True, using one that computes raises."""

    def __init__(self):
        self.grading = False

    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in INERT or root in COMPUTING:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return InertModule(self, spec.name)

    def exec_module(self, module):
        return None

    def module(self, name: str) -> InertModule:
        return InertModule(self, name)

    def thing(self, name: str) -> Inert:
        return Inert(self, name)

    def use(self, name: str) -> None:
        root = name.partition(".")[0]
        if self.grading and root in COMPUTING:
            raise ModuleNotFoundError(f"{root} is not available here; use numpy alone ({name})", name=root)


class Refusal:
    """The last finder: says why a module is not there."""

    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root in FRAMEWORKS:
            raise ModuleNotFoundError(
                f"{root} is not available here: gradients are written by hand, with numpy alone", name=name
            )
        if path is None and name not in sys.builtin_module_names:
            raise ModuleNotFoundError(
                f"No module named '{name}': the grader has numpy and most of the standard library", name=name
            )


class InertModule(types.ModuleType):
    def __init__(self, standins: StandIns, name: str):
        super().__init__(name)
        self.__dict__.update(__path__=[], __all__=[], _standins=standins)

    def __getattr__(self, attribute: str):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        name = f"{self.__name__}.{attribute}"
        special = SPECIAL.get(attribute) if name.startswith(("tqdm.", "autograder.", "IPython.")) else None
        return special or Inert(self._standins, name)

    def __call__(self, *args, **kwargs):
        return Inert(self._standins, self.__name__)


def _quiet(*args, **kwargs) -> float:
    return 0.0


class Progress:
    """tqdm that shows nothing."""

    def __init__(self, iterable=(), *args, **kwargs):
        self._iterable = iterable

    def __iter__(self):
        return iter(self._iterable)

    def __len__(self):
        return len(self._iterable)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


def _progress_range(*args, **kwargs) -> Progress:
    return Progress(range(*args))


def _nothing(*args, **kwargs) -> None:
    return None


SPECIAL = {
    "tqdm": Progress,
    "trange": _progress_range,
    "tqdm_notebook": Progress,
    "check": _quiet,
    "check_saved": _quiet,
    "display": _nothing,
}


class Inert:
    """Accepts whatever is done to it and does nothing; printed, it is empty."""

    __array_ufunc__ = None
    __array_priority__ = 1e6

    def __init__(self, standins: StandIns, name: str):
        object.__setattr__(self, "_standins", standins)
        object.__setattr__(self, "_name", name)

    def _more(self, *args, **kwargs):
        self._standins.use(self._name)
        return self

    def __getattr__(self, attribute: str):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Inert(self._standins, f"{self._name}.{attribute}")

    def __setattr__(self, attribute, value):
        pass

    def __call__(self, *args, **kwargs):
        self._standins.use(self._name)
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType):
            return args[0]  # as a decorator: leave the function as it is
        return Inert(self._standins, self._name)

    def __iter__(self):
        """As many items as an unpacking asks for (`fig, ax = plt.subplots()`), else none."""
        self._standins.use(self._name)
        frame = sys._getframe(1)
        code = frame.f_code.co_code
        at = frame.f_lasti
        wanted = 0
        if 0 <= at < len(code) - 1 and code[at] in (_UNPACK, _UNPACK_EX):
            wanted = code[at + 1]
        return iter([self] * wanted)

    def __mro_entries__(self, bases):
        return (object,)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __array__(self, *args, **kwargs):
        self._standins.use(self._name)
        raise TypeError(f"{self._name} is a stand-in here and has no values")

    def __bool__(self):
        self._standins.use(self._name)
        return True

    def __len__(self):
        self._standins.use(self._name)
        return 0

    def __index__(self):
        self._standins.use(self._name)
        return 0

    def __float__(self):
        self._standins.use(self._name)
        return 0.0

    def __int__(self):
        return self.__index__()

    def __str__(self):
        return ""

    def __repr__(self):
        return f"<{self._name}: not available here>"

    def __format__(self, spec):
        return ""

    def __hash__(self):
        return hash(self._name)

    def __setitem__(self, key, value):
        self._standins.use(self._name)

    __getitem__ = __contains__ = _more
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _more
    __add__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = _more
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = __rmatmul__ = _more
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __neg__ = __pos__ = __abs__ = __invert__ = _more
    __and__ = __or__ = __xor__ = __rand__ = __ror__ = _more
