"""A backbone of four blocks as an outline, for tests that order and place runs without a model."""

from engine.models.outline import BlockOutline, Outline, ParameterOutline


def outline(backbone: str = "resnet18", scale: int = 1) -> Outline:
    """Blocks of 100, 200, 400 and 50 values times `scale`; the last is the head."""
    sizes = (("conv1", "conv1", 100), ("layer1.0", "layer1", 200), ("layer4.1", "layer4", 400), ("fc", "head", 50))
    blocks = tuple(
        BlockOutline(
            name=name,
            stage=stage,
            parameters=(
                ParameterOutline(name=f"{name}.weight", size=size * scale - 1, kind="weight"),
                ParameterOutline(name=f"{name}.bias", size=1, kind="bias"),
            ),
        )
        for name, stage, size in sizes
    )
    return Outline(backbone=backbone, classes=1000, input_size=32, blocks=blocks)
