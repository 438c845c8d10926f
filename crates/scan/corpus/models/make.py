"""Writes the honest artifacts in this directory. They hold no data of anybody: all numbers are random.

    python -m venv v && v/bin/pip install scikit-learn joblib cloudpickle skops skl2onnx xgboost-cpu lightgbm h5py safetensors
    v/bin/python make.py

Those committed were made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1, pandas 3.1.1, joblib 1.6.0,
cloudpickle 3.1.3, skops 0.16.0, skl2onnx 1.20.0, onnx 1.23.2, xgboost-cpu 3.2.0, lightgbm 4.7.0, h5py 3.16.0 and
safetensors 0.8.0. PyTorch and Keras are too large to install for this: their files are put together here as they
write them, with stand-ins for the classes that are named.
"""
import collections
import io
import json
import pickle
import struct
import sys
import types
import warnings
import zipfile
from pathlib import Path

import cloudpickle
import h5py
import joblib
import lightgbm
import numpy as np
import pandas as pd
import safetensors.numpy
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (AdaBoostClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier, IsolationForest,
                              RandomForestClassifier, StackingClassifier, VotingClassifier)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import make_scorer, f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

warnings.simplefilter("ignore")
HERE = Path(__file__).parent
random = np.random.RandomState(7)
X = random.rand(24, 3).astype(np.float64)
y = np.arange(24) % 2
frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": ["x", "y", "z"] * 8, "t": pd.date_range("2026-01-01", periods=24)})

MODELS = {
    "linear": LinearRegression(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "tree": DecisionTreeClassifier(max_depth=2),
    "forest": RandomForestClassifier(n_estimators=2, max_depth=2, random_state=np.random.RandomState(1)),
    "boosting": GradientBoostingClassifier(n_estimators=2, max_depth=2),
    "histogram": HistGradientBoostingClassifier(max_iter=2, max_depth=2),
    "ada": AdaBoostClassifier(n_estimators=2),
    "isolation": IsolationForest(n_estimators=2, max_samples=4),
    "svc": SVC(),
    "sgd": SGDClassifier(),
    "knn": KNeighborsClassifier(3, algorithm="kd_tree"),
    "ball": KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan"),
    "bayes": GaussianNB(),
    "mlp": MLPClassifier((3,), max_iter=5),
    "gp": GaussianProcessRegressor(RBF() + WhiteKernel()),
    "kmeans": KMeans(2),
    "calibrated": CalibratedClassifierCV(GaussianNB(), method="isotonic", cv=2),
    "voting": VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=1))]),
    "stacking": StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=1))], cv=2),
    "search": GridSearchCV(DecisionTreeClassifier(max_depth=1), {"max_depth": [1, 2]}, scoring=make_scorer(f1_score), cv=2),
    "imputed": make_pipeline(SimpleImputer(), PCA(2), GaussianNB()),
    "logs": make_pipeline(FunctionTransformer(np.log1p), SplineTransformer(n_knots=3, degree=2), LinearRegression()),
    "isotonic": IsotonicRegression(),
    "columns": ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["c"])]),
    "words": TfidfVectorizer(),
}


def fitted():
    for name, model in MODELS.items():
        if name == "columns":
            model.fit(frame)
        elif name == "words":
            model.fit(["one two", "two three"])
        elif name == "isotonic":
            model.fit(X[:, 0], y)
        else:
            model.fit(X, y)
        yield name, model


def pickles():
    for name, model in fitted():
        for protocol in ((0, 2, 3, 5) if name in ("forest", "logistic") else (4,)):
            (HERE / f"{name}.p{protocol}.pkl").write_bytes(pickle.dumps(model, protocol))
        joblib.dump(model, HERE / f"{name}.joblib")
        (HERE / f"{name}.cloudpickle.pkl").write_bytes(cloudpickle.dumps(model))
        if name not in ("logs", "words"):
            skops.io.dump(model, HERE / f"{name}.skops", compression=zipfile.ZIP_STORED if name == "linear" else zipfile.ZIP_DEFLATED)
    forest = MODELS["forest"]
    joblib.dump(forest, HERE / "forest.zlib.joblib", compress=3)
    joblib.dump(forest, HERE / "forest.gz.joblib", compress=("gzip", 3))
    for protocol in (2, 5):
        (HERE / f"frame.p{protocol}.pkl").write_bytes(pickle.dumps(frame, protocol))
    joblib.dump({"objects": np.array(["a", None, 3], dtype=object), "big": np.arange(300.0), "s": np.array(["aa", "b"])}, HERE / "objects.joblib")
    from scipy import sparse
    (HERE / "sparse.p4.pkl").write_bytes(pickle.dumps([sparse.csr_matrix(X), sparse.csc_array(X), sparse.coo_matrix(X)], 4))
    with open(HERE / "several.pkl", "wb") as out:
        for part in ({"a": 1}, [np.float64(2.5)], collections.OrderedDict(b=np.arange(3))):
            pickle.dump(part, out)


def arrays():
    np.save(HERE / "floats.npy", X[:4])
    np.save(HERE / "objects.npy", np.array([{"a": 1}, [2]], dtype=object), allow_pickle=True)
    np.savez(HERE / "arrays.npz", a=X[:4], b=y)
    np.savez_compressed(HERE / "compressed.npz", a=X[:4], b=y)
    safetensors.numpy.save_file({"w": X[:4].astype(np.float32), "b": y.astype(np.int64)}, HERE / "model.safetensors", {"format": "pt"})


def boosted():
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=2).fit(X, y)
    for ending in ("json", "ubj"):
        model.save_model(HERE / f"xgboost.{ending}")
    (HERE / "xgboost.p4.pkl").write_bytes(pickle.dumps(model, 4))
    model = lightgbm.LGBMClassifier(n_estimators=2, max_depth=2, min_child_samples=2, verbose=-1).fit(X, y)
    model.booster_.save_model(HERE / "lightgbm.txt")
    (HERE / "lightgbm.p4.pkl").write_bytes(pickle.dumps(model, 4))
    for name in ("forest", "logistic", "mlp"):
        (HERE / f"{name}.onnx").write_bytes(to_onnx(MODELS[name], X[:1].astype(np.float32)).SerializeToString())


def stand_in(module, name, call=False):
    """Something that pickles by this name."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    made = (lambda *a: None) if call else type(name, (), {})
    made.__module__, made.__name__, made.__qualname__ = module, name, name
    setattr(sys.modules[module], name, made)
    return made


class Reduced:
    def __init__(self, *how):
        self.how = how

    def __reduce__(self):
        return self.how


class Storage:
    def __init__(self, kind, key, count):
        self.id = ("storage", kind, key, "cpu", count)


class TorchPickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.id if isinstance(thing, Storage) else None


def dumped(thing):
    out = io.BytesIO()
    TorchPickler(out, 2).dump(thing)
    return out.getvalue()


def torches():
    rebuild, floats = stand_in("torch._utils", "_rebuild_tensor_v2", True), stand_in("torch", "FloatStorage")
    parameter, linear = stand_in("torch._utils", "_rebuild_parameter", True), stand_in("torch.nn.modules.linear", "Linear")

    def tensor(key, *shape):
        count = int(np.prod(shape))
        strides = tuple(int(np.prod(shape[at + 1:])) for at in range(len(shape)))
        return Reduced(rebuild, (Storage(floats, key, count), 0, shape, strides, False, collections.OrderedDict()))

    state = collections.OrderedDict(weight=tensor("0", 3, 2), bias=tensor("1", 3))
    layer = linear()
    layer.__dict__.update(training=True, in_features=2, _parameters=collections.OrderedDict(weight=Reduced(parameter, (tensor("0", 3, 2), True, collections.OrderedDict()))))
    for name, thing in (("state", state), ("module", layer)):
        with zipfile.ZipFile(HERE / f"torch-{name}.pt", "w") as out:
            for member, content in (("data.pkl", dumped(thing)), ("byteorder", b"little"), ("data/0", X[:2].astype("<f4").tobytes()),
                                    ("data/1", X[0].astype("<f4").tobytes()), ("version", b"3\n"), (".data/serialization_id", b"0123456789")):
                out.writestr(f"{name}/{member}", content)
    with open(HERE / "torch-legacy.pt", "wb") as out:
        for part in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}):
            pickle.dump(part, out, 2)
        out.write(dumped(state))
        pickle.dump(["0", "1"], out, 2)
        out.write(struct.pack("<q", 6) + X[:2].astype("<f4").tobytes() + struct.pack("<q", 3) + X[0].astype("<f4").tobytes())


def keras_config():
    def object(module, name, /, **config):
        return {"module": module, "class_name": name, "config": config, "registered_name": None}
    dense = object("keras.layers", "Dense", name="dense", units=1, activation="sigmoid", use_bias=True,
                   dtype=object("keras", "DTypePolicy", name="float32"),
                   kernel_initializer=object("keras.initializers", "GlorotUniform", seed=None))
    return object("keras", "Sequential", name="sequential", trainable=True, layers=[
        object("keras.layers", "InputLayer", batch_shape=[None, 3], name="input"), dense]) | {
        "build_config": {"input_shape": [None, 3]}, "compile_config": {"optimizer": object("keras.optimizers", "Adam", learning_rate=0.001),
                                                                       "loss": "binary_crossentropy", "metrics": ["accuracy"]}}


def keras():
    weights = io.BytesIO()
    with h5py.File(weights, "w") as out:
        out["layers/dense/vars/0"] = X[:3, :1]
    with zipfile.ZipFile(HERE / "model.keras", "w") as out:
        out.writestr("metadata.json", json.dumps({"keras_version": "3.5.0", "date_saved": "2026-11-22@10:00:00"}))
        out.writestr("config.json", json.dumps(keras_config()))
        out.writestr("model.weights.h5", weights.getvalue())
    for name, version in (("model", "earliest"), ("model-latest", "latest")):
        with h5py.File(HERE / f"{name}.h5", "w", libver=version) as out:
            out.attrs["keras_version"], out.attrs["backend"] = "2.15.0", "tensorflow"
            out.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [
                {"class_name": "Dense", "config": {"units": 1, "activation": "relu"}, "module": "keras.layers", "registered_name": None}]}})
            out["model_weights/dense/kernel"] = X[:3, :1]


if __name__ == "__main__":
    pickles()
    arrays()
    boosted()
    torches()
    keras()
