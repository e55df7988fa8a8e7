"""The page as a Hugging Face Space: its ``app.py``, beside a ``requirements.txt`` that says ``fer-bench[demo]``."""

from fer_bench.demo.look import Looker
from fer_bench.demo.page import LAUNCH, page
from fer_bench.inference.model import open_model

demo = page(Looker([open_model()]), here=False)

if __name__ == "__main__":
    demo.launch(**LAUNCH)
