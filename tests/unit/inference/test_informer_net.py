"""The Informer network in small: each piece does what the paper says of it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from services.inference.informer_net import (
    Distil,
    Dropout,
    Informer,
    InformerConfig,
    ProbSparseAttention,
    attend,
    draw_keys,
    sparse_count,
)

SMALL = InformerConfig(
    enc_in=3, dec_in=3, c_out=2, seq_len=16, label_len=8, out_len=4, d_model=8, n_heads=2, d_ff=16, factor=1
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def layer(length: int, factor: int, *, causal: bool) -> ProbSparseAttention:
    return ProbSparseAttention(length, factor, causal, seeded(1))


def heads(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of three windows and two heads."""
    query, key, value = (noise(3, 2, length, 4, seed=part) for part in range(3))
    return query, key, value


def built(config: InformerConfig = SMALL, seed: int = 5) -> Informer:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Informer(config).eval()


def calendar(config: InformerConfig = SMALL, windows: int = 3) -> Tensor:
    return noise(windows, config.seq_len + config.out_len, config.time_features, seed=9)


@pytest.mark.parametrize(("length", "factor", "kept"), [(96, 5, 25), (48, 3, 12), (8, 5, 8), (2, 3, 2), (1, 3, 1)])
def test_the_queries_kept_grow_with_the_logarithm_of_the_length(length: int, factor: int, kept: int) -> None:
    assert sparse_count(length, factor) == kept


def test_prob_sparse_attention_is_full_attention_when_all_queries_are_kept() -> None:
    query, key, value = heads(10)
    assert sparse_count(10, 4) == 10
    assert torch.allclose(layer(10, 4, causal=False)(query, key, value), attend(query, key, value), atol=1e-6)
    future = torch.ones(10, 10, dtype=torch.bool).triu(1)
    said = layer(10, 4, causal=True)(query, key, value)
    assert torch.allclose(said, attend(query, key, value, future), atol=1e-6)


def test_full_attention_is_the_one_that_torch_computes() -> None:
    query, key, value = heads(10)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(attend(query, key, value), expected, atol=1e-6)


def test_the_queries_that_stand_out_attend_and_the_others_take_the_mean_of_the_values() -> None:
    query, key, value = heads(20)
    attention = layer(20, 1, causal=False)
    said = attention(query, key, value)
    full, mean = attend(query, key, value), value.mean(dim=2, keepdim=True).expand_as(value)
    attends = (said - full).abs().amax(-1) < 1e-6
    lazy = (said - mean).abs().amax(-1) < 1e-6
    assert (attends ^ lazy).all()
    assert (attends.sum(-1) == sparse_count(20, 1)).all()
    scores = query @ key.transpose(-1, -2)
    drawn = torch.stack([scores[:, :, row, attention.sample[row]] for row in range(20)], dim=2)
    measured = drawn.amax(-1) - drawn.mean(-1)
    assert measured[attends].min() > 0
    for window in range(3):
        for head in range(2):
            kept = attends[window, head]
            assert measured[window, head][kept].min() >= measured[window, head][~kept].max()


def test_masked_attention_sees_no_future_not_even_in_its_choice_of_queries() -> None:
    query, key, value = heads(20)
    attention = layer(20, 1, causal=True)
    before = attention(query, key, value)
    for cut in (1, 7, 19):
        other = [torch.cat([part[:, :, :cut], 9.0 * noise(3, 2, 20 - cut, 4, seed=77)], dim=2) for part in heads(20)]
        assert torch.equal(attention(*other)[:, :, :cut], before[:, :, :cut])
        assert not torch.allclose(attention(*other)[:, :, cut:], before[:, :, cut:])


def test_masked_lazy_queries_take_the_mean_of_the_values_so_far() -> None:
    query, key, value = heads(40)
    said = layer(40, 1, causal=True)(query, key, value)
    full = attend(query, key, value, torch.ones(40, 40, dtype=torch.bool).triu(1))
    so_far = torch.stack([value[:, :, : row + 1].mean(2) for row in range(40)], dim=2)
    attends = (said - full).abs().amax(-1) < 1e-6
    lazy = (said - so_far).abs().amax(-1) < 1e-6
    assert (attends | lazy).all()
    assert attends[:, :, : sparse_count(40, 1)].all()
    assert lazy.float().mean() > 0.3


def test_the_keys_that_judge_a_masked_query_are_not_ahead_of_it() -> None:
    drawn = draw_keys(50, 3, True, seeded(1))
    assert drawn.shape == (50, 12)
    assert (drawn <= torch.arange(50)[:, None]).all()
    assert draw_keys(50, 3, False, seeded(1)).max() == 49


@pytest.mark.parametrize(("length", "left"), [(48, 24), (168, 84), (21, 11), (2, 1)])
def test_distilling_halves_the_length(length: int, left: int) -> None:
    assert Distil(6).eval()(noise(2, length, 6)).shape == (2, left, 6)


def test_the_encoded_history_is_half_as_long_only_with_distilling() -> None:
    lengths = {}
    for distil in (True, False):
        net = built(replace(SMALL, distil=distil))
        memory = noise(1, 16, 8)
        for part in net.encoder:
            memory = part(memory)
        lengths[distil] = memory.shape[1]
    assert lengths == {True: 8, False: 16}


SHAPES = [
    SMALL,
    replace(SMALL, d_layers=2),
    replace(SMALL, e_layers=3),
    replace(SMALL, distil=False),
    replace(SMALL, label_len=16),
    replace(SMALL, dec_in=1),
    replace(SMALL, activation="relu"),
]


@pytest.mark.parametrize("config", SHAPES)
def test_all_steps_come_out_in_one_pass(config: InformerConfig) -> None:
    said = built(config)(noise(3, 16, 3), calendar(config))
    assert said.shape == (3, 4, 2)
    assert said.isfinite().all()


def test_a_net_can_do_without_a_calendar() -> None:
    config = replace(SMALL, time_features=0)
    assert built(config)(noise(3, 16, 3)).shape == (3, 4, 2)


def test_the_same_window_gets_the_same_forecast_alone_again_and_from_an_equal_seed() -> None:
    history, time = noise(3, 16, 3), calendar()
    net = built()
    said = net(history, time)
    assert torch.equal(net(history, time), said)
    assert torch.equal(built()(history, time), said)
    assert torch.allclose(net(history[1:2], time[1:2]), said[1:2], atol=1e-6)
    assert not torch.allclose(built(seed=6)(history, time), said)


def test_the_drawn_keys_are_kept_with_the_weights() -> None:
    kept = built().state_dict()
    other = built(replace(SMALL, sample_seed=8))
    name = "encoder.0.attend.attention.sample"
    assert not torch.equal(other.state_dict()[name], kept[name])
    other.load_state_dict(kept)
    history, time = noise(3, 16, 3), calendar()
    assert torch.equal(other(history, time), built()(history, time))


def test_the_calendar_of_the_steps_to_forecast_is_read() -> None:
    history, time = noise(3, 16, 3), calendar()
    other = time.clone()
    other[:, 16:] += 1.0
    assert not torch.allclose(built()(history, other), built()(history, time))


def test_dropout_keeps_the_mean_and_drops_the_share_it_says() -> None:
    drop = Dropout(0.25)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        said = drop(torch.ones(200, 501))
        assert not torch.equal(drop(torch.ones(200, 501)), said)
    assert (said == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert said.mean().item() == pytest.approx(1.0, abs=0.01)
    assert torch.equal(drop.eval()(torch.ones(3, 3)), torch.ones(3, 3))


def test_every_weight_gets_a_gradient() -> None:
    net = built().train()
    torch.autograd.backward(net(noise(3, 16, 3), calendar()).square().sum())
    assert [name for name, weight in net.named_parameters() if weight.grad is None] == []
