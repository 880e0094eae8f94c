#!/usr/bin/python3
"""The edge on the af_xdp wire."""
import suite

suite.run("af_xdp")
