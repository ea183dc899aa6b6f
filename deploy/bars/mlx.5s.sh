#!/bin/sh
# xbar: put this into its plug-in folder, executable; it is run every 5 s
# <xbar.title>MLX</xbar.title>
# <xbar.desc>What the machine does for its models</xbar.desc>
exec "$HOME/.local/bin/mlx-menubar" -f xbar --once
