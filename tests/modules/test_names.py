"""The names by which people know the modules lead to them."""

from __future__ import annotations

import pytest

from plugnas import modules
from plugnas.space import SearchSpace

# key -> class names of circulating code, and what issue reports say people typed.
NAMES = {
    "se": "SEAttention SENet",
    "cbam": "CBAM",
    "eca": "ECAAttention",
    "coord_attention": "CoordAtt",
    "simam": "Simam_module",
    "acmix": "ACmix",
    "axial_attention": "AxialAttention",
    "axial_image_transformer": "AxialImageTransformer",
    "cot": "CoTAttention",
    "triplet": "TripletAttention",
    "s2": "S2Attention",
    "dilate": "MultiDilateLocalAttention DilateFormer",
    "danet_position": "PositionAttentionModule",
    "danet_channel": "ChannelAttentionModule",
    "danet": "DAModule",
    "ema": "EMA",
    "sea": "Sea_Attention",
    "emsa": "EMSA",
    "external_attention": "ExternalAttention",
    "pyraformer": "Conv_Construct",
    "safm": "SAFM",
    "efficient_additive": "EfficientAdditiveAttnetion",
    "gam": "GAM_Attention",
    "psa": "PSA",
    "halo": "HaloAttention HaLoAttention",
    "vip": "WeightedPermuteMLP",
    "sk": "SKAttention",
    "ufo": "UFOAttention",
    "aspp": "ASPP",
    "shuffle_attention": "ShuffleAttention sa_layer",
    "split_attention": "SplitAttn ResNeSt",
    "parnet": "ParNetAttention",
    "clo": "EfficientAttention",
    "biformer": "BiLevelRoutingAttention BiLevelRoutingAttention_nchw",
    "super_token": "StokenAttention STViT",
    "irmb": "iRMB EMO",
    "aft": "AFT_FULL",
    "crossformer": "CrossFormerBlock",
    "criss_cross": "CrissCrossAttention CCNet",
    "double_attention": "DoubleAttention A2Attention",
    "fca": "MultiSpectralAttentionLayer fcanet",
    "dilated_inception": "dilated_inception temporal_conv",
    "scconv": "ScConv",
    "sru": "SRU",
    "cru": "CRU",
    "pconv": "Partial_conv3",
    "dilated_conv": "ASPPConv",
    "deform_conv": "DeformConv2d",
    "dynamic_snake": "DSConv",
    "depthwise_separable": "DepthwiseSeparableConv2d DepthwiseSeparableConvolution",
    "self_attention": "MultiHeadAttention ScaledDotProductAttention",
    "simplified_self_attention": (
        "MultiHeadSimplifiedSelfAttention SimplifiedScaledDotProductAttention"
    ),
    "het_conv": "HetConv2d",
    "bam": "BAM BAMBlock",
    "bisenet_arm": "AttentionRefinementModule",
    "bisenet_ffm": "FeatureFusionModule",
    "global_context": "ContextBlock GCBlock",
    "hrnet": "HighResolutionModule",
    "non_local": "NONLocalBlock2D",
    "ocr": "SpatialGather_Module SpatialOCR_Module OCRModule",
    "scse": "cSE csSE sSE",
    "ms_cam": "MS_CAM",
    "aff": "AFF",
    "iaff": "iAFF",
    "ac_block": "ACBlock ACNet",
    "swish": "MemoryEfficientSwish Swish",
    "hard_swish": "h_swish",
    "hard_sigmoid": "h_sigmoid",
    "fused_conv_bn": "fuse_conv_and_bn",
    "mixed_depthwise": "MixConv2d",
    "psp": "PSPModule",
    "spp": "SPPLayer",
    "rfb": "BasicRFB",
    "semantic_embedding": "SematicEmbbedBlock",
    "ssh": "SSHContextModule",
    "concat": "Concat FeatureConcat",
    "flatten": "Flatten",
    "weighted_fusion": "WeightedFeatureFusion",
    "strip_pooling": "MPM SPHead StripPooling",
    "ghost": "GhostModule",
    "slim_conv": "slim_conv_3x3",
    "context_gating": "GatingContext",
    "effnet": "EffNet",
    "border_align": "BorderAlign",
    "fpt_self": "SelfTrans",
    "fpt_grounding": "GroundTrans",
    "fpt_rendering": "RenderTrans",
    "do_conv": "DOConv2d",
    "pyconv": "PyConv2d",
    "ulsam": "ULSAM",
    "dgc": "DynamicMultiHeadConv",
    "dca": "CSELayer",
    "psconv": "PSConv2d",
    "dynamic_conv": "DynamicConv Dynamic_conv2d",
    "cond_conv": "CondConv CondConv2D",
    "mbconv": "MBConvBlock",
    "involution": "Involution",
    "coconv": "CoConv3x3_2d",
}
# Names that two mechanisms share in circulating code, and whose they are here.
SHARED = {
    "SCConv": "scconv",
    "ScConv": "scconv",
    "Attention": "self_attention",
    "MultiHeadAttention": "self_attention",
}
NAMED = [(name, key) for key, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("name", "key"), [*NAMED, *SHARED.items()])
def test_a_name_leads_to_its_module(name, key):
    assert modules.get(name).key == key
    assert modules.get(name.lower()).key == key


def test_every_declared_alias_leads_to_its_module():
    for entry in modules.entries():
        for alias in (entry.key, *entry.aliases):
            assert modules.get(alias) is entry


def test_a_job_may_use_any_name():
    job = {
        "stages": [{"width": 8}],
        "slots": {"attention": ["none", "SENet", {"CoTAttention": {}}]},
    }
    space = SearchSpace.from_config(job, (1, 8, 8), 10)
    (choices,) = [p.choices for p in space.parameters if p.name.endswith("attention")]
    assert choices == ("none", "se", "cot")
