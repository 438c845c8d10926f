"""Write operators.json: small ONNX graphs, inputs for them, and what onnxruntime answers.

Needs numpy, onnx, onnxruntime, scikit-learn and skl2onnx; run it in this directory. Seeded, so the same versions
write the same file.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import cluster, datasets, decomposition, discriminant_analysis, ensemble, feature_selection, impute
from sklearn import linear_model, mixture, multiclass, naive_bayes, neighbors, neural_network, pipeline, preprocessing
from sklearn import svm, tree
from sklearn.compose import ColumnTransformer

warnings.filterwarnings("ignore")
ML = "ai.onnx.ml"
CASES = {}
NAMES = {np.dtype(np.float32): "FP32", np.dtype(np.float64): "FP64", np.dtype(np.int64): "INT64",
         np.dtype(np.int32): "INT32", np.dtype(bool): "BOOL", np.dtype(object): "BYTES"}
ONNX = {"FP32": TensorProto.FLOAT, "FP64": TensorProto.DOUBLE, "INT64": TensorProto.INT64, "INT32": TensorProto.INT32,
        "BOOL": TensorProto.BOOL, "BYTES": TensorProto.STRING}


def plain(value):
    """A tensor, or ZipMap's list of maps, as JSON; what JSON cannot say becomes a string."""
    if isinstance(value, list):
        return [[float(p) for p in row.values()] for row in value]
    if value.dtype.kind == "f":
        return [float(v) if np.isfinite(v) else str(v) for v in value.ravel()]
    return value.ravel().tolist()


def record(name, model, feeds, **more):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answers = session.run(None, feeds)
    CASES[name] = {
        "model": model.SerializeToString().hex(),
        "inputs": [{"name": n, "datatype": NAMES[v.dtype], "shape": list(v.shape), "data": plain(v)} for n, v in feeds.items()],
        "outputs": [{"name": o.name, "shape": None if isinstance(a, list) else list(a.shape), "data": plain(a)}
                    for o, a in zip(session.get_outputs(), answers)],
    } | more


def node(name, op, inputs, outputs=("FP32",), domain="", opset=18, ml=3, constants=(), **attributes):
    """One node. `inputs` become feeds i0, i1, ...; `constants` follow them as initializers."""
    feeds = {f"i{at}": np.asarray(value) for at, value in enumerate(inputs)}
    initializers = [numpy_helper.from_array(np.asarray(value), f"c{at}") for at, value in enumerate(constants)]
    names = [*feeds, *(tensor.name for tensor in initializers)]
    graph = helper.make_graph(
        [helper.make_node(op, names, [f"o{at}" for at in range(len(outputs))], domain=domain, **attributes)], name,
        [helper.make_tensor_value_info(n, ONNX[NAMES[v.dtype]], v.shape) for n, v in feeds.items()],
        [helper.make_tensor_value_info(f"o{at}", ONNX[kind], None) for at, kind in enumerate(outputs)], initializers)
    model = helper.make_model(graph, ir_version=8,
                              opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(ML, ml)])
    record(name, model, feeds)


def f32(*values):
    return np.array(values, dtype=np.float32)


def i64(*values):
    return np.array(values, dtype=np.int64)


def text(*values):
    return np.array(values, dtype=object)


A = f32([1.5, -2.0, 0.0], [4.0, 0.25, -7.5])
B = f32(2.0, 0.5, -3.0)
NAN = f32([1.0, np.nan, 3.0], [np.nan, 5.0, 6.0])


def arithmetic():
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"]:
        node(op, op, [A, B])
    node("pow", "Pow", [np.abs(A), i64(2)])
    node("pow_integer", "Pow", [i64(2, 3, -4), f32(2)], ["INT64"])
    node("add_column_and_row", "Add", [f32([1], [2]), f32(10, 20, 30)])
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min"]:
        node(f"{op}_integers", op, [i64(7, -7, 9), i64(2, 2, -4)], ["INT64"])
    node("max_of_nan", "Max", [NAN, f32(2, 2, 2)])
    node("clip", "Clip", [A], constants=[np.float32(-1), np.float32(2)])
    for op in ["Abs", "Neg", "Exp", "Ceil", "Floor", "Sigmoid", "Tanh", "Relu", "Sign", "Softplus", "Reciprocal"]:
        node(op, op, [A])
    for op in ["Sqrt", "Log"]:
        node(op, op, [np.abs(A)])
    node("round_half_even", "Round", [f32(0.5, 1.5, 2.5, -0.5, -1.5)])
    node("leaky_relu", "LeakyRelu", [A], alpha=0.2)
    for op in ["Softmax", "LogSoftmax"]:
        node(op, op, [A])
        node(f"{op}_first_axis", op, [A], axis=0)


def comparisons():
    for op in ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"]:
        node(op, op, [A, f32(1.5, 1, 0)], ["BOOL"])
    node("equal_text", "Equal", [text("a", "b"), text("a", "c")], ["BOOL"], opset=19)
    for op in ["And", "Or", "Xor"]:
        node(op, op, [np.array([True, True, False]), np.array([True, False, False])], ["BOOL"])
    node("not", "Not", [np.array([True, False])], ["BOOL"])
    node("is_nan", "IsNaN", [NAN], ["BOOL"])
    node("is_inf", "IsInf", [f32(np.inf, -np.inf, 1)], ["BOOL"], detect_negative=0)
    node("where", "Where", [A > 0, A, B])
    node("where_text", "Where", [np.array([True, False]), text("a", "b"), text("c")], ["BYTES"])


def reductions():
    for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
               "ReduceSumSquare", "ReduceLogSumExp", "ReduceLogSum"]:
        node(op, op, [np.abs(A) + 1], constants=[i64(1)], keepdims=0)
        node(f"{op}_all", op, [np.abs(A) + 1])
        node(f"{op}_first_axis_old", op, [np.abs(A) + 1], axes=[0], opset=11)
    node("reduce_sum_integers", "ReduceSum", [i64([1, 2], [3, 4])], ["INT64"], constants=[i64(-1)])
    node("reduce_sum_nothing", "ReduceSum", [A], noop_with_empty_axes=1)
    tie = f32([1, 3, 3], [2, 2, 1])
    node("arg_max", "ArgMax", [tie], ["INT64"], axis=1)
    node("arg_max_last", "ArgMax", [tie], ["INT64"], axis=1, select_last_index=1, keepdims=0)
    node("arg_min", "ArgMin", [tie], ["INT64"], axis=0)
    node("cumulative_sum", "CumSum", [A, i64(1)[0]], exclusive=1)
    node("cumulative_sum_reverse", "CumSum", [i64([1, 2], [3, 4]), i64(0)[0]], ["INT64"], reverse=1)
    node("top_k", "TopK", [f32([3, 1, 3, 2])], ["FP32", "INT64"], constants=[i64(3)])
    node("top_k_smallest_rows", "TopK", [f32([3, 1], [1, 2], [2, 2])], ["FP32", "INT64"], constants=[i64(2)], axis=0, largest=0)


def shapes():
    cube = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    node("transpose", "Transpose", [cube])
    node("transpose_order", "Transpose", [cube], perm=[1, 0, 2])
    node("reshape_infer", "Reshape", [cube], constants=[i64(0, -1)])
    node("flatten", "Flatten", [cube], axis=2)
    node("flatten_all", "Flatten", [cube], axis=0)
    node("squeeze", "Squeeze", [f32([[1], [2]])], constants=[i64(0)])
    node("squeeze_old", "Squeeze", [f32([[1], [2]])], opset=11, axes=[2])
    node("unsqueeze", "Unsqueeze", [B], constants=[i64(0, 2)])
    node("shape_part", "Shape", [cube], ["INT64"], start=1)
    node("size", "Size", [cube], ["INT64"])
    node("expand", "Expand", [f32([1], [2])], constants=[i64(2, 3)])
    node("gather_columns", "Gather", [cube], constants=[i64([0, -1])], axis=2)
    node("gather_text", "Gather", [text("a", "b", "c"), i64(2, 0)], ["BYTES"])
    node("gather_elements", "GatherElements", [A, i64([2, -1], [0, 1])], axis=1)
    node("slice", "Slice", [cube], constants=[i64(0, 3), i64(9, -9), i64(1, 2), i64(2, -1)])
    node("slice_negative", "Slice", [cube], constants=[i64(-2), i64(-1), i64(-1)])
    node("concat_rows", "Concat", [A, A[:1]], axis=0)
    node("concat_text", "Concat", [text(["a"], ["b"]), text(["c"], ["d"])], ["BYTES"], axis=-1)
    node("constant_of_shape", "ConstantOfShape", [i64(2, 2)], ["INT64"], value=helper.make_tensor("v", TensorProto.INT64, [1], [7]))
    node("matmul_vector", "MatMul", [A, B])
    node("matmul_batch", "MatMul", [cube, f32([1], [2], [3], [4])])
    node("gemm", "Gemm", [A, f32([1, 2], [3, 4]), f32(1, 2)], alpha=0.5, beta=2.0, transA=1, transB=1)


def casts():
    node("cast_to_integer", "Cast", [f32(1.9, -1.9, 0)], ["INT64"], to=TensorProto.INT64)
    node("cast_to_truth", "Cast", [f32(0.5, 0, -2)], ["BOOL"], to=TensorProto.BOOL)
    node("cast_to_text", "Cast", [f32(1, 0.5, 1e10, 1e-7, -3.25, 123456.789)], ["BYTES"], to=TensorProto.STRING)
    node("cast_integer_to_text", "Cast", [i64(1, -20)], ["BYTES"], to=TensorProto.STRING)
    node("cast_from_text", "Cast", [text("1.5", "-2", "1e3")], ["FP32"], to=TensorProto.FLOAT)
    node("cast_text_to_integer", "Cast", [text("9007199254740993")], ["INT64"], to=TensorProto.INT64)
    node("cast_to_double", "Cast", [A], ["FP64"], to=TensorProto.DOUBLE)


def preparing():
    node("scaler", "Scaler", [A], domain=ML, offset=[1.0, 2.0, 3.0], scale=[0.5, 2.0, 1.0])
    node("scaler_integers", "Scaler", [i64([1, 2], [3, 4])], domain=ML, offset=[1.0], scale=[0.5])
    node("imputer_nan", "Imputer", [NAN], domain=ML, imputed_value_floats=[9.0, 8.0, 7.0], replaced_value_float=float("nan"))
    node("imputer_integers", "Imputer", [i64([-1, 2], [3, -1])], ["INT64"], domain=ML, imputed_value_int64s=[5], replaced_value_int64=-1)
    for norm in ["MAX", "L1", "L2"]:
        node(f"normalizer_{norm}", "Normalizer", [A], domain=ML, norm=norm)
        node(f"normalizer_{norm}_zero", "Normalizer", [f32([0, 0], [0, -2])], domain=ML, norm=norm)
    node("binarizer", "Binarizer", [A], domain=ML, threshold=0.25)
    node("feature_vectorizer", "FeatureVectorizer", [A, f32([9], [8])], domain=ML, inputdimensions=[3, 1])
    node("features_of_row", "ArrayFeatureExtractor", [B, i64(2, 0)], domain=ML)
    node("features_of_rows", "ArrayFeatureExtractor", [A, i64(1)], domain=ML)
    node("one_hot_text", "OneHotEncoder", [text(["b"], ["?"])], domain=ML, cats_strings=["a", "b"])
    node("one_hot_integers", "OneHotEncoder", [i64(3, 1)], domain=ML, cats_int64s=[1, 2, 3])
    node("one_hot_floats", "OneHotEncoder", [f32(3.7, 9)], domain=ML, cats_int64s=[1, 2, 3])
    node("labels_text_to_integer", "LabelEncoder", [text("b", "?")], ["INT64"], domain=ML, keys_strings=["a", "b"], values_int64s=[10, 20], default_int64=-5)
    node("labels_integer_to_text", "LabelEncoder", [i64(2, 9)], ["BYTES"], domain=ML, keys_int64s=[1, 2], values_strings=["x", "y"])
    node("labels_floats", "LabelEncoder", [f32(np.nan, -0.0, 7)], domain=ML, keys_floats=[0.0, float("nan")], values_floats=[1.0, 2.0], default_float=-1.0)
    node("labels_nan", "LabelEncoder", [f32(np.nan, 1)], domain=ML, ml=4, keys_floats=[0.0, float("nan")], values_floats=[1.0, 2.0], default_float=-1.0)
    node("labels_first_form", "LabelEncoder", [text("b", "?")], ["INT64"], domain=ML, ml=1, classes_strings=["a", "b"])
    node("labels_first_form_back", "LabelEncoder", [i64(1, 5)], ["BYTES"], domain=ML, ml=1, classes_strings=["a", "b"])
    node("labels_tensors", "LabelEncoder", [f32(1, 3)], ["INT64"], domain=ML, ml=4,
         keys_tensor=numpy_helper.from_array(f32(1, 2)), values_tensor=numpy_helper.from_array(i64(5, 6)),
         default_tensor=numpy_helper.from_array(i64(-9)))


def linear():
    kinds = ["INT64", "FP32"]
    for transform in ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]:
        two = dict(coefficients=[1.0, 0.5, -1.0, -1.0, -0.5, 1.0], intercepts=[0.25, -0.25], classlabels_ints=[4, 7])
        node(f"linear_two_{transform}", "LinearClassifier", [A], kinds, domain=ML, post_transform=transform, **two)
        lone = dict(coefficients=[1.0, 0.5, -1.0], intercepts=[0.25], classlabels_ints=[4, 7])
        node(f"linear_lone_{transform}", "LinearClassifier", [A], kinds, domain=ML, post_transform=transform, **lone)
    node("linear_text", "LinearClassifier", [A], ["BYTES", "FP32"], domain=ML, coefficients=[1.0, 0.5, -1.0, 0.0, 0.0, 0.0, -1.0, 2.0, 0.0],
         intercepts=[0.0, 0.1, 0.2], classlabels_strings=["x", "y", "z"], post_transform="SOFTMAX")
    node("linear_targets", "LinearRegressor", [A], domain=ML, coefficients=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], intercepts=[0.5, -0.5], targets=2)


# Distances as |x|^2 - 2xc + |c|^2 in 32 bits cancel: onnxruntime's own answers are only this close to exact ones.
TOLERANCES = {"k_means": 1e-4}
STUMPS = dict(nodes_treeids=[0, 0, 0, 1, 1, 1], nodes_nodeids=[0, 1, 2, 0, 1, 2], nodes_featureids=[0, 0, 0, 1, 0, 0],
              nodes_values=[1.0, 0.0, 0.0, 0.0, 0.0, 0.0], nodes_truenodeids=[1, 0, 0, 1, 0, 0],
              nodes_falsenodeids=[2, 0, 0, 2, 0, 0])
ENDS = dict(treeids=[0, 0, 1, 1], nodeids=[1, 2, 1, 2])


def stumps(prefix, ids, weights, mode="BRANCH_LEQ"):
    ends = {f"{prefix}_{k}": v for k, v in ENDS.items()}
    return STUMPS | ends | {f"{prefix}_ids": ids, f"{prefix}_weights": weights, "nodes_modes": [mode, "LEAF", "LEAF"] * 2}


def trees():
    X = f32([0.0, 1.0], [2.0, -1.0], [1.0, 0.0], [5.0, 5.0], [np.nan, np.nan])
    for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]:
        node(f"tree_{mode}", "TreeEnsembleRegressor", [X], domain=ML, n_targets=1, **stumps("target", [0] * 4, [1.0, 2.0, 10.0, 20.0], mode))
    node("tree_missing", "TreeEnsembleRegressor", [X], domain=ML, n_targets=1, nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 0],
         **stumps("target", [0] * 4, [1.0, 2.0, 10.0, 20.0]))
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
        node(f"tree_{aggregate}", "TreeEnsembleRegressor", [X], domain=ML, n_targets=2, aggregate_function=aggregate,
             base_values=[0.5, 100.0], **stumps("target", [0, 1, 1, 0], [1.0, 2.0, 10.0, 20.0]))
    weights = {"positive": [0.1, 0.4, 0.2, 0.5], "mixed": [-0.1, 0.4, 0.2, -0.5]}
    for sign, weight in weights.items():
        for ids in ([0] * 4, [1] * 4, [0, 1, 1, 0]):
            for base in ([], [0.1], [0.1, 0.3]):
                for transform in ["NONE", "LOGISTIC", "SOFTMAX"]:
                    if ids == [0, 1, 1, 0] and len(base) == 1:
                        continue  # onnxruntime leaves the second score of some rows unwritten
                    name = f"tree_two_{sign}_{''.join(map(str, ids))}_{len(base)}_{transform}"
                    node(name, "TreeEnsembleClassifier", [X], ["INT64", "FP32"], domain=ML, post_transform=transform,
                         classlabels_int64s=[0, 1], **({"base_values": base} if base else {}), **stumps("class", ids, weight))
    for base in ([], [0.1, 0.2, 0.35]):
        node(f"tree_three_{len(base)}", "TreeEnsembleClassifier", [X], ["BYTES", "FP32"], domain=ML, post_transform="SOFTMAX",
             classlabels_strings=["a", "b", "c"], **({"base_values": base} if base else {}), **stumps("class", [0, 1, 2, 0], weights["mixed"]))


def fitted():
    """Whole scikit-learn models beyond those of manifest.json, exported with the newest operator set."""
    iris, cancer, diabetes = (f(return_X_y=True) for f in (datasets.load_iris, datasets.load_breast_cancer, datasets.load_diabetes))
    few = (cancer[0][:120, :5], cancer[1][:120])
    names = (iris[0], np.array(["setosa", "versicolor", "virginica"], dtype=object)[iris[1]])
    models = {
        "svc_three_probability": (svm.SVC(probability=True, random_state=0), iris),
        "svc_three": (svm.SVC(), iris), "svc_two": (svm.SVC(), few), "svc_poly": (svm.SVC(kernel="poly", degree=2), few),
        "svc_text": (svm.SVC(), names), "nu_svc_sigmoid": (svm.NuSVC(kernel="sigmoid", nu=0.2), few),
        "svr": (svm.SVR(), (diabetes[0][:60], diabetes[1][:60])), "one_class": (svm.OneClassSVM(), (few[0][:40], None)),
        "linear_svc": (svm.LinearSVC(), iris), "linear_svc_two": (svm.LinearSVC(), few),
        "ridge_classifier": (linear_model.RidgeClassifier(), iris), "perceptron": (linear_model.Perceptron(), iris),
        "sgd_three": (linear_model.SGDClassifier(loss="log_loss", random_state=0), iris),
        "poisson": (linear_model.PoissonRegressor(), diabetes), "multi_task": (linear_model.LinearRegression(), (iris[0], iris[0][:, :2])),
        "logistic_text": (linear_model.LogisticRegression(), names),
        "logistic_ovr": (multiclass.OneVsRestClassifier(linear_model.LogisticRegression()), iris),
        "lda": (discriminant_analysis.LinearDiscriminantAnalysis(), iris),
        "qda": (discriminant_analysis.QuadraticDiscriminantAnalysis(), iris),
        "bernoulli": (naive_bayes.BernoulliNB(), iris), "multinomial": (naive_bayes.MultinomialNB(), iris),
        "complement": (naive_bayes.ComplementNB(), iris),
        "mlp_three": (neural_network.MLPClassifier(hidden_layer_sizes=(5,), activation="tanh", random_state=0), iris),
        "mlp_regressor": (neural_network.MLPRegressor(hidden_layer_sizes=(5,), random_state=0), diabetes),
        "knn_regressor": (neighbors.KNeighborsRegressor(3), (diabetes[0][:60], diabetes[1][:60])),
        "knn_distance": (neighbors.KNeighborsClassifier(3, weights="distance"), (iris[0][::3], iris[1][::3])),
        "knn_manhattan": (neighbors.KNeighborsClassifier(3, metric="manhattan"), (iris[0][::3], iris[1][::3])),
        "tree_text": (tree.DecisionTreeClassifier(max_depth=3, random_state=0), names),
        "forest_text": (ensemble.RandomForestClassifier(5, max_depth=3, random_state=0), names),
        "tree_two_targets": (tree.DecisionTreeRegressor(max_depth=3), (iris[0], iris[0][:, :2])),
        "extra_trees": (ensemble.ExtraTreesRegressor(5, max_depth=3, random_state=0), diabetes),
        "bagging": (ensemble.BaggingClassifier(n_estimators=3, random_state=0), few),
        "voting_soft": (ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft", flatten_transform=False), iris),
        "voting_hard": (ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], flatten_transform=False), iris),
        "voting_regressor": (ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=2))]), diabetes),
        "stacking": (ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=2))]), few),
        "ada_three": (ensemble.AdaBoostClassifier(n_estimators=3, random_state=0), iris),
        "ada_regressor": (ensemble.AdaBoostRegressor(n_estimators=3, random_state=0), diabetes),
        "boosting_exponential": (ensemble.GradientBoostingClassifier(n_estimators=5, max_depth=2, loss="exponential"), few),
        "k_means": (cluster.KMeans(3, random_state=0, n_init=1), (iris[0], None)),
        "mixture": (mixture.GaussianMixture(2, random_state=0), (iris[0], None)),
        "pca": (decomposition.PCA(2), (iris[0], None)), "svd": (decomposition.TruncatedSVD(2, random_state=0), (iris[0], None)),
        "robust": (preprocessing.RobustScaler(), (iris[0], None)), "max_abs": (preprocessing.MaxAbsScaler(), (iris[0], None)),
        "bins": (preprocessing.KBinsDiscretizer(3, encode="onehot-dense"), (iris[0], None)),
        "polynomial": (preprocessing.PolynomialFeatures(2), (iris[0], None)),
        "power": (preprocessing.PowerTransformer(), (iris[0], None)),
        "select": (pipeline.make_pipeline(feature_selection.SelectKBest(k=2), linear_model.LogisticRegression()), iris),
        "imputed": (pipeline.make_pipeline(impute.SimpleImputer(add_indicator=False), linear_model.LinearRegression()), diabetes),
    }
    for name, (model, (X, y)) in models.items():
        X = X.astype(np.float32)
        try:
            record(f"fitted_{name}", to_onnx(model.fit(X, y), X[:1], target_opset={"": 22, ML: 3}), {"X": X[::len(X) // 7]},
                   **({"tolerance": TOLERANCES[name]} if name in TOLERANCES else {}))
        except Exception as error:
            print(f"{name}: not exported: {str(error)[:100]}")
    mixed()


def mixed():
    """Columns of three types through one pipeline, and encoders on their own."""
    colour, size, price = text("red", "blue", "red", "green"), i64(1, 2, 3, 2), f32(0.5, 1.5, 2.5, 8.0)
    columns = ColumnTransformer([
        ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("s", preprocessing.StandardScaler(), ["size"]),
        ("p", preprocessing.MinMaxScaler(), ["price"])])
    import pandas as pd
    frame = pd.DataFrame({"colour": colour, "size": size, "price": price})
    model = pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(frame, text("yes", "no", "yes", "no"))
    kinds = [("colour", StringTensorType([None, 1])), ("size", Int64TensorType([None, 1])), ("price", FloatTensorType([None, 1]))]
    feeds = {"colour": text(["red"], ["unseen"]), "size": i64([2], [9]), "price": f32([1.0], [-4.0])}
    record("fitted_mixed_zipmap", to_onnx(model, initial_types=kinds, target_opset={"": 22, ML: 3}), feeds)
    ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(colour.reshape(-1, 1))
    record("fitted_ordinal", to_onnx(ordinal, initial_types=[("X", StringTensorType([None, 1]))]), {"X": text(["green"], ["red"])})


def main():
    for make in [arithmetic, comparisons, reductions, shapes, casts, preparing, linear, trees, fitted]:
        make()
    path = Path(__file__).with_name("operators.json")
    path.write_text("{\n" + ",\n".join(f'"{name}": {json.dumps(case)}' for name, case in CASES.items()) + "\n}\n")
    print(f"{len(CASES)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
