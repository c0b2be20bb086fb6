"""A Keras user's question: do dropout and batch norm help my net on the digits, and do I get the same net again?"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")  # or "jax", or "tensorflow": the masks are the same

import keras
import numpy as np
from keras import layers, models
from sklearn.datasets import load_digits

from dropnorm.keras import BatchNormalization, Dropout

images, labels = load_digits(return_X_y=True)
nearest = np.arange(28) * 8 // 28
pixels = (images.reshape(-1, 8, 8)[:, nearest][:, :, nearest] / 16).reshape(-1, 784).astype("float32")


def trained() -> keras.Model:
    """The net of the listings, with both layers, after five epochs."""
    keras.utils.set_random_seed(0)
    model = models.Sequential()
    model.add(layers.Input((784,)))
    model.add(layers.Dense(128, activation="relu"))
    model.add(BatchNormalization())
    model.add(Dropout(0.2))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(pixels[:1400], labels[:1400], epochs=5, verbose=0)
    return model


model, again = (trained().evaluate(pixels[1400:], labels[1400:], verbose=0) for _ in range(2))
print(f"right on {model[1]:.0%} of the test images")
print("the same loss again from the same seed:", bool(model[0] == again[0]))
