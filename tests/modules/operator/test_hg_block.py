"""PP-HGNet's block against timm's, weights copied over."""

import torch
from timm.models.hgnet import HighPerfGpuBlock

from plugnas.modules.operator.hg_block import HGBlock
from tests.modules.generic import (
    batch_norm,
    check_deploy,
    conv_same,
    copy_in_order,
    generic,
    rand,
    same,
)


@torch.no_grad()
def test_equals_timm():
    for cin, cout, depth, light in ((8, 8, 3, False), (6, 12, 2, True), (8, 8, 6, True)):
        ours = generic(HGBlock(cin, cout, depth=depth, light=light))
        theirs = HighPerfGpuBlock(
            cin, cout // 4, cout, depth, kernel_size=5 if light else 3, residual=cin == cout,
            light_block=light, agg="se",
        )  # fmt: skip
        theirs = theirs.double().eval()
        copy_in_order(theirs, ours)
        x = rand(2, cin, 6, 5)
        same(ours(x), theirs(x))


@torch.no_grad()
def test_a_stride_is_taken_depthwise_first():
    m = generic(HGBlock(4, 8, stride=2, depth=2))
    x = rand(2, 4, 5, 6)
    plain = HGBlock(4, 8, depth=2).double().eval()
    plain.load_state_dict({k: v for k, v in m.state_dict().items() if "enter" not in k})
    conv, norm = m.enter
    dense = torch.diag_embed(conv.weight[:, 0].permute(1, 2, 0)).permute(2, 3, 0, 1)
    same(m(x), plain(batch_norm(conv_same(x, dense)[:, :, ::2, ::2], norm)))


def test_norms_fold():
    check_deploy(HGBlock(4, 6, stride=2, light=True), rand(1, 4, 6, 7), HGBlock)
