"""Train the credit-risk example and export it to ONNX.

Reads german_credit.data and writes, beside it, model.onnx and expected.json, then prints the metrics of the
held-out split. Everything random is seeded, so the same versions (requirements.txt) give the same metrics.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).parent
SEED = 20
EXPECTED_ROWS = 50

# The columns of german_credit.data, in file order, with the type of the model input each becomes.
# `None`: in the file, but kept out of the model (see README.md, "What the model may not see").
TEXT, WHOLE, REAL = StringTensorType, Int64TensorType, FloatTensorType
COLUMNS = {
    "checking_status": TEXT,
    "duration_months": WHOLE,
    "credit_history": TEXT,
    "purpose": TEXT,
    "credit_amount": REAL,
    "savings": TEXT,
    "employment_since": TEXT,
    "installment_rate": WHOLE,
    "personal_status_sex": None,
    "other_debtors": TEXT,
    "residence_since": WHOLE,
    "property": TEXT,
    "age_years": WHOLE,
    "other_installment_plans": TEXT,
    "housing": TEXT,
    "existing_credits": WHOLE,
    "job": TEXT,
    "dependents": WHOLE,
    "telephone": TEXT,
    "foreign_worker": None,
}
FEATURES = {name: kind for name, kind in COLUMNS.items() if kind is not None}
NUMPY_TYPES = {TEXT: object, WHOLE: np.int64, REAL: np.float32}


def named(kind):
    return [name for name, k in FEATURES.items() if k is kind]


def load():
    """Features typed as the model's inputs, and the label: "good" or "bad" credit."""
    frame = pd.read_csv(HERE / "german_credit.data", sep=" ", header=None, names=[*COLUMNS, "label"])
    label = frame["label"].map({1: "good", 2: "bad"}).to_numpy(dtype=object)
    features = pd.DataFrame({name: frame[name].astype(NUMPY_TYPES[kind]) for name, kind in FEATURES.items()})
    return features, label


def pipeline(classifier, numbers):
    columns = ColumnTransformer([
        ("text", OneHotEncoder(handle_unknown="ignore"), named(TEXT)),
        ("whole", numbers, named(WHOLE)),
        ("real", numbers, named(REAL)),
    ])
    return make_pipeline(columns, classifier)


def boosting():
    """The model that is exported. Trees need no scaling, and without it the splits survive the move to 32 bits."""
    return pipeline(GradientBoostingClassifier(n_estimators=150, learning_rate=0.05, max_depth=3, subsample=0.8,
                                               random_state=SEED), "passthrough")


def logistic():
    """The plain scorecard that the exported model is compared with."""
    return pipeline(LogisticRegression(C=0.1, max_iter=5000), StandardScaler())


def compare(features, label):
    """Cross-validated AUC of each candidate, on the training split only."""
    folds = StratifiedKFold(n_splits=10, shuffle=True, random_state=SEED)
    for name, model in [("gradient boosting", boosting()), ("logistic regression", logistic())]:
        scores = cross_val_score(model, features, label == "bad", cv=folds, scoring="roc_auc")
        print(f"10-fold AUC on the training split, {name}: {scores.mean():.4f} (sd {scores.std():.4f})")


def report(model, features, label):
    bad = model.predict_proba(features)[:, list(model.classes_).index("bad")]
    predicted = model.predict(features)
    (good_good, good_bad), (bad_good, bad_bad) = confusion_matrix(label, predicted, labels=["good", "bad"])
    print(f"held-out rows: {len(label)} ({np.sum(label == 'bad')} bad)")
    print(f"  AUC      {roc_auc_score(label == 'bad', bad):.4f}")
    print(f"  Brier    {brier_score_loss(label == 'bad', bad):.4f}")
    print(f"  accuracy {np.mean(predicted == label):.4f} (always \"good\": {np.mean(label == 'good'):.4f})")
    print(f"  good called good {good_good}, good called bad {good_bad}")
    print(f"  bad called good  {bad_good}, bad called bad   {bad_bad}")
    print(f"  cost per row {(5 * bad_good + good_bad) / len(label):.4f} "
          f"(5 for a bad called good, 1 for a good called bad; always \"good\": {5 * np.mean(label == 'bad'):.4f})")


def export(model):
    inputs = [(name, kind([None, 1])) for name, kind in FEATURES.items()]
    return to_onnx(model, initial_types=inputs, target_opset={"": 18, "ai.onnx.ml": 3},
                   options={id(model): {"zipmap": False}}, name="credit_risk")


def feeds(features):
    return {name: features[name].to_numpy(dtype=NUMPY_TYPES[kind]).reshape(-1, 1) for name, kind in FEATURES.items()}


def write_expected(session, features):
    rows = features.head(EXPECTED_ROWS)
    label, probabilities = session.run(["label", "probabilities"], feeds(rows))
    inputs = [{"name": n, "datatype": {TEXT: "BYTES", WHOLE: "INT64", REAL: "FP32"}[k], "data": rows[n].tolist()}
              for n, k in FEATURES.items()]
    expected = {"rows": EXPECTED_ROWS, "inputs": inputs, "label": label.tolist(),
                "probabilities": probabilities.tolist()}
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main():
    features, label = load()
    train, held_out, train_label, held_out_label = train_test_split(
        features, label, test_size=0.25, stratify=label, random_state=SEED)
    compare(train, train_label)

    model = boosting().fit(train, train_label)
    report(model, held_out, held_out_label)

    exported = export(model).SerializeToString()
    (HERE / "model.onnx").write_bytes(exported)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    write_expected(session, features)

    by_onnx = session.run(["probabilities"], feeds(held_out))[0]
    worst = np.abs(by_onnx - model.predict_proba(held_out)).max()
    print(f"model.onnx: {len(exported)} bytes; largest difference from scikit-learn {worst:.1e}")


if __name__ == "__main__":
    main()
