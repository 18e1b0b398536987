"""The steps of `check_vjp`: how a backward pass is held against finite differences of its forward."""
