"""Data that ships with ATLAS: defaults, image and software catalogues, gallery of specs."""
