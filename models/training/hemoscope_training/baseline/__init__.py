"""The pipeline that this field mostly uses, measured as a baseline.

Enhancement, threshold segmentation with watershed, then a small residual network that names each
crop: the steps of Gopi et al. 2025, "Resnet for Blood Sample Detection". Also the same
segmentation with a plain colour rule in place of the network.
"""
