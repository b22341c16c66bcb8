"""Average two trainings of the same model: python3 mix.py FIRST SECOND SHARE OUT (SHARE: of the second; safetensors)"""
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

first, second, share = load_file(sys.argv[1]), load_file(sys.argv[2]), float(sys.argv[3])
mixed = {k: (share * second[k].astype(np.float32) + (1 - share) * first[k].astype(np.float32)).astype(np.float32) for k in second}
save_file(mixed, sys.argv[4])
