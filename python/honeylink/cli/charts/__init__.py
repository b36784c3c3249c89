"""Charts as SVG or PNG, for the commands that draw and for the benchmarks: surfaces, axes and panels."""
