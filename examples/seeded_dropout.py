"""A student's question: which units does dropout drop, and what happens to their mean?"""

import torch

from dropnorm import nn

drop = nn.Dropout(0.5, generator=torch.Generator().manual_seed(0))
x = torch.ones(6, 16)

for step in range(2):
    y = drop(x)
    print(f"step {step}: mean {y.mean():.2f}, kept units are doubled")
    for row in y:
        print("  " + " ".join("●" if unit else "·" for unit in row.tolist()))

drop.eval()
print("inference: nothing is dropped:", torch.equal(drop(x), x))
