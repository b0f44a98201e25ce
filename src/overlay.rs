//! Merges presets, `-f` files and `--set` with the meaning of the installer engine of that Istio version. Pure.
