"""How long tests wait for what must come. A bound costs nothing when the test passes."""

# For what comes at once, on a machine that has much else to do.
SOON_S = 45
# What a call waits for in vain: whoever is not woken fails by SOON_S.
LONG_S = 50
