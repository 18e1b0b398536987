"""The modules a submission may import, all imported before the fork: afterwards no file can be opened.

docs/security.md lists them for instructors; a test holds the two together.
"""

_STANDARD = """
abc argparse array ast atexit base64 bisect builtins calendar cmath collections collections.abc colorsys
concurrent.futures concurrent.futures.thread contextlib copy copyreg csv ctypes ctypes.util dataclasses datetime
decimal difflib dis doctest enum errno fnmatch fractions functools gc getpass glob gzip hashlib heapq html importlib
importlib.metadata importlib.resources importlib.util inspect io itertools json keyword linecache locale logging
logging.handlers math mmap multiprocessing numbers opcode operator os os.path pathlib pickle pkgutil platform pprint
queue random re reprlib resource sched secrets select selectors shlex shutil signal socket stat statistics string
stringprep struct subprocess symtable sys sysconfig tempfile textwrap threading time timeit token tokenize traceback
types typing unicodedata unittest urllib.parse uuid warnings weakref zipfile zlib zoneinfo
"""
_NUMPY = """
numpy numpy.char numpy.core numpy.ctypeslib numpy.dtypes numpy.exceptions numpy.fft numpy.lib numpy.lib.array_utils
numpy.lib.format numpy.lib.introspect numpy.lib.mixins numpy.lib.npyio numpy.lib.scimath
numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.ma.mrecords numpy.polynomial numpy.random numpy.rec
numpy.strings numpy.testing numpy.typing
"""
# what those import on first use only
_LAZY = """
_strptime encodings.ascii encodings.cp1252 encodings.hex_codec encodings.idna encodings.latin_1
encodings.raw_unicode_escape encodings.unicode_escape encodings.utf_16 encodings.utf_8_sig numpy._core._dtype
numpy._core._methods
"""

STANDARD, NUMPY, LAZY = _STANDARD.split(), _NUMPY.split(), _LAZY.split()
