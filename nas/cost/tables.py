"""Operators whose work is a constant per element, and those that do none."""

from __future__ import annotations

from typing import Any

import torch
from torch._ops import OpOverloadPacket

aten = torch.ops.aten


def packets(names: str, namespace: Any = aten) -> list[OpOverloadPacket]:
    """The operators of these names that this torch has."""
    found = (getattr(namespace, name, None) for name in names.split())
    return [packet for packet in found if packet is not None]


# --- operators that only move data, or make it from nothing -------------------------------------
MOVES = frozenset(
    packets(
        """
        clone contiguous copy_ _to_copy to detach detach_ alias lift_fresh lift_fresh_copy view
        _unsafe_view
        reshape _reshape_alias cat concat stack hstack split unsafe_split unsafe_chunk chunk repeat
        repeat_interleave tile expand roll flip rot90 pad constant_pad_nd reflection_pad1d
        reflection_pad2d replication_pad1d replication_pad2d _pad_circular index select_backward
        index_select index_put index_put_ _unsafe_index gather scatter scatter_ slice_scatter
        select_scatter take take_along_dim masked_fill masked_fill_ masked_select embedding one_hot
        im2col pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle
        upsample_nearest1d upsample_nearest2d _upsample_nearest_exact2d max_unpool2d tril triu
        empty empty_like empty_strided empty_permuted new_empty new_empty_strided zeros zeros_like
        new_zeros ones ones_like new_ones full full_like new_full fill fill_ zero zero_ arange
        linspace eye scalar_tensor tril_indices triu_indices meshgrid resolve_conj resolve_neg
        view_as_real view_as_complex real imag complex _conj conj _conj_physical _local_scalar_dense
        item is_nonzero dropout feature_dropout alpha_dropout hann_window
        fft_fftfreq fft_rfftfreq fft_fftshift fft_ifftshift nonzero
        _assert_tensor_metadata _assert_async set_ unfold
        """
    )
)

# --- elementwise operations per element of the output, or of the input ---------------------------
# A softmax is max, subtract, exp, sum, divide; a norm is mean, centre, square, sum, divide and the
# affine pair; batch norm in eval mode is a scale and a shift.
PER_OUTPUT: dict[OpOverloadPacket, int] = {
    packet: count
    for names, count in {
        "_prelu_kernel rrelu hardswish hardswish_ leaky_relu leaky_relu_ celu celu_ softplus": 1,
        "floor_divide floor_divide_ remainder fmod": 1,
        "bernoulli bernoulli_ rand rand_like randn randn_like normal_ uniform_ randperm": 1,
        "glu lerp addcdiv add_relu batch_norm native_batch_norm": 2,
        "_native_batch_norm_legit_no_training _native_batch_norm_legit": 2,
        "upsample_linear1d": 4,
        "upsample_bilinear2d _upsample_bilinear2d_aa": 8,
        "upsample_bicubic2d _upsample_bicubic2d_aa": 32,
        "softmax _softmax _safe_softmax log_softmax _log_softmax": 5,
        "rms_norm _fused_rms_norm": 4,
        "layer_norm native_layer_norm group_norm native_group_norm instance_norm": 7,
        "affine_grid_generator": 6,
    }.items()
    for packet in packets(names)
}
PER_INPUT: dict[OpOverloadPacket, int] = {
    packet: count
    for names, count in {
        "sum mean amax amin max min prod all any argmax argmin aminmax nansum": 1,
        "cumsum cumprod cummax cummin adaptive_avg_pool1d adaptive_avg_pool2d": 1,
        "_adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d col2im index_add": 1,
        "index_add_ scatter_add scatter_add_ scatter_reduce scatter_reduce_ index_reduce": 1,
        "linalg_vector_norm norm count_nonzero": 2,
        "logsumexp": 4,
        "var std var_mean std_mean": 4,
    }.items()
    for packet in packets(names)
}
