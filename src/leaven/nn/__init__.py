"""Networks: backbones, heads, the moving average of weights, frozen features, collectives."""
