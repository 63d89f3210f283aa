"""Networks: stems, trunks and heads, joined in `network`, answered by `driver`."""
