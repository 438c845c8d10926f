"""Lists the classes and functions that honest pickles of these libraries name, for src/artifacts/pickle/allow.txt.

    python -m venv v && v/bin/pip install scikit-learn scipy pandas xgboost-cpu lightgbm && v/bin/python classes.py

What it prints is read by a person before it goes in: a class is let in when making one from any arguments and any
state runs nothing that the arguments choose. Classes of Python are made without their `__init__` (`new`), compiled ones
mostly by a call (`class`); functions that models hold are not called (`name`).
"""
import importlib
import inspect
import pkgutil
import sys
import warnings
from collections import defaultdict

warnings.simplefilter("ignore")
# Not taken: they read files or the network, or make functions from text.
NOT = ("sklearn.datasets", "sklearn.externals", "sklearn.tests", "sklearn.conftest", "sklearn.utils._test", "sklearn._build",
       "sklearn.utils.parallel", "sklearn.inspection", "sklearn.experimental", "sklearn.callback", "sklearn.utils._mocking",
       "sklearn.metrics._pairwise_distances_reduction", "sklearn.cluster._hdbscan._tree")
# Modules whose other classes estimators hold, too.
PARTS = ("sklearn._loss", "sklearn.calibration", "sklearn.ensemble._", "sklearn.gaussian_process.kernels", "sklearn.linear_model._",
         "sklearn.metrics._dist_metrics", "sklearn.metrics._scorer", "sklearn.model_selection._split", "sklearn.neighbors._",
         "sklearn.neural_network._stochastic_optimizers", "sklearn.utils._bunch", "sklearn.utils._metadata_requests")


def modules(package):
    yield importlib.import_module(package)
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if ".tests" in found.name or found.name.startswith(NOT):
            continue
        try:
            yield importlib.import_module(found.name)
        except Exception:
            print("cannot import", found.name, file=sys.stderr)


def sklearn():
    from sklearn.base import BaseEstimator
    classes, compiled_classes, calls, names = (defaultdict(set) for _ in range(4))
    for module in modules("sklearn"):
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(thing) and thing.__name__ == name:
                compiled = not hasattr(thing, "__dict__") or "__reduce__" in vars(thing) or "__reduce_cython__" in vars(thing)
                if issubclass(thing, BaseEstimator) or compiled or module.__name__.startswith(PARTS):
                    if not issubclass(thing, (BaseException, type)):
                        (compiled_classes if compiled else classes)[module.__name__].add(name)
            elif name.startswith("__pyx_unpickle") or name == "newObj":
                calls[module.__name__].add(name)
        for name, thing in vars(module).items():
            if name.startswith("__pyx_unpickle") or (name == "newObj"):
                calls[module.__name__].add(name)
    import sklearn.metrics as m
    for name in m.__all__:
        thing = getattr(m, name)
        if inspect.isfunction(thing) and thing.__module__.startswith("sklearn.metrics._") and "display" not in name and name != "check_scoring":
            names[thing.__module__].add(name)
    return {"new": classes, "class": compiled_classes, "call": calls, "name": names}


if __name__ == "__main__":
    for word, table in sklearn().items():
        for module, names in sorted(table.items()):
            print(word, module, *sorted(names))
