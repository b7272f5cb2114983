"""Batched views on the device: weak, strong (RandAugment or CTAugment, cutout), and views of feature vectors."""

from leaven.augment.ctaugment import CTAugment
from leaven.augment.feature_views import FeatureViews
from leaven.augment.image_views import ImageViews, StrongView
from leaven.augment.policy import OPERATIONS, Draw, Learner, Policy, RandAugment
from leaven.augment.shift import Shift
from leaven.augment.warp import Warp

__all__ = [
    "OPERATIONS",
    "CTAugment",
    "Draw",
    "FeatureViews",
    "ImageViews",
    "Learner",
    "Policy",
    "RandAugment",
    "Shift",
    "StrongView",
    "Warp",
]
