"""The engine of Thaw: everything that is not a page; never imports streamlit or plotly.

config workspace errors devices   what a run is, where files go, what can go wrong, which device
data        from a hostile zip to pixels
models      from a name to a chain of blocks
training    from a freeze plan to weights
evaluation  from weights to answers
runs        who does it and what is remembered
cli         python -m engine ...
"""
