"""Signals from files, as other programs write them."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from convoy.client.signal_files import read_signal
from convoy.core.errors import InvalidArgument
from scipy.io import wavfile

SAMPLES = np.array([[0.5, -0.25], [0.0, 0.125], [-1.0, 0.75]], np.float32)


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
@pytest.mark.parametrize("head", ["", "lead I{0}lead II\n"])
def test_text_has_a_column_for_each_channel(tmp_path: Path, mark: str, head: str) -> None:
    file = tmp_path / "beats.csv"
    head = head.format("_" if mark == " " else mark)
    file.write_text(head + "\n".join(mark.join(map(str, row)) for row in SAMPLES) + "\n")
    samples, rate = read_signal(file, 100)
    assert (samples == SAMPLES).all() and rate == 100


def test_numpy_files_and_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "beats.npy", SAMPLES[:, 0].astype(np.float64))
    assert (read_signal(tmp_path / "beats.npy", 8)[0] == SAMPLES[:, :1]).all()
    assert (read_signal([0.5, 0.0, -1.0], 8)[0] == SAMPLES[:, :1]).all()


@pytest.mark.parametrize(("kind", "step"), [("int16", 2**-15), ("int32", 1e-7), ("uint8", 2**-7)])
def test_wav_says_its_rate(tmp_path: Path, kind: str, step: float) -> None:
    """Written by SciPy."""
    full = {"int16": 2**15 - 1, "int32": 2**31 - 1, "uint8": 127}[kind]
    values = (SAMPLES.astype(np.float64) * full + (128 if kind == "uint8" else 0)).round().astype(kind)
    wavfile.write(tmp_path / "beats.wav", 360, values)
    samples, rate = read_signal(tmp_path / "beats.wav")
    assert rate == 360 and np.abs(samples - SAMPLES).max() < 1.5 * step
    with pytest.raises(InvalidArgument, match="says 360 Hz"):
        read_signal(tmp_path / "beats.wav", 100)


def test_what_is_no_signal_is_refused(tmp_path: Path) -> None:
    deep = io.BytesIO()
    with wave.open(deep, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(3)
        sound.setframerate(100)
        sound.writeframes(bytes(30))
    files = {
        "a.wav": b"RIFF",
        "b.wav": deep.getvalue(),
        "c.npy": b"x",
        "d.csv": b"time,volts\none,two\n",
        "e.csv": b"",
        "f.mat": b"x",
        "g.csv": b"1,2\n3\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidArgument) as refused:
            read_signal(tmp_path / name, 100)
        assert refused.value.reason == "NOT_A_SIGNAL", name
    for array in ("abc.", [["a"]], np.zeros((2, 2, 2)), []):
        with pytest.raises(InvalidArgument):
            read_signal(array, 100)
    with pytest.raises(InvalidArgument, match="give the sampling rate"):
        read_signal(SAMPLES)
