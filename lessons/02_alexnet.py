# %% [markdown]
# # 2 · AlexNet: the beginning of the revolution
#
# In 2012 a convolutional network won the ImageNet challenge, the first deep network to win it, and left the second
# more than ten points behind. A year later most entries were deep convolutional networks too (Russakovsky et al.
# 2015, section 5.1). This lesson takes that network apart, builds it, trains it, and checks what its paper claims.
#
# **After this lesson you can**
#
# - *compute* the output size, the parameters and the multiply-adds of any convolution, grouped or not;
# - *explain* what each part of AlexNet is for: ReLU, two towers, response normalisation, overlapping pooling,
#   dropout, augmentation;
# - *build* its feature extractor and say where its parameters and its computation are;
# - *train* it, and read its learning curves, its errors and its filters;
# - *test* a paper's claim by changing one thing and nothing else.
#
# **You need** Python, tensors in PyTorch, and to have trained some network once. Lesson 1 introduces the data.
#
# **Time**: reading 60 minutes, exercises 75, running 10 (scale `laptop`, four cores).
#
# **Paper**: Alex Krizhevsky, Ilya Sutskever, Geoffrey Hinton, *ImageNet Classification with Deep Convolutional Neural
# Networks*, NeurIPS 2012
# ([pdf](https://proceedings.neurips.cc/paper/2012/file/c399862d3b9d6b76c8436e924a68c45b-Paper.pdf)). Nine pages; read
# it beside this lesson. Sections, tables and figures cited below without a name are this paper's.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import data, models, plots, profiling, results, scales, training
from course_lib.data.batches import flip, random_crop
from course_lib.exercises import alexnet as reference
from course_lib.exercises import check, summary
from course_lib.plots.style import SETTINGS, mark_miniature

plt.rcParams.update(SETTINGS)

# %% tags=["parameters"]
scale = "laptop"  # "smoke": seconds, to see that everything runs; "laptop": minutes; "gpu": as in the paper
seed = 0

# %%
scale = scales.get(scale)
train, test = data.cifar10()
train, test = train.take(scale.train_images, seed), test.take(scale.test_images, seed)
train

# %% [markdown]
# ## 1 · The question
#
# Until 2011 a program that classified photographs had two halves. The features were designed by people (SIFT
# descriptors, pooled into Fisher vectors); only the classifier on top of them was learned. Networks that learn their
# features too had read handwritten digits since 1989 (LeCun et al.). Nobody had made one work on a million
# photographs of a thousand kinds of things.
#
# What would it take? The paper's answer is a *large* network, and three obstacles stand before it:
#
# 1. it has too many weights and operations (sections 2 and 3);
# 2. it learns too slowly (sections 4 and 5);
# 3. it learns its training images by heart (section 8).
#
# ### The first obstacle: size
#
# A fully connected network links every unit to every pixel. Take AlexNet's first layer, 55 × 55 positions of 96 units
# each, on a picture of 224 × 224 pixels in three colours, and connect it like that.

# %% tags=["facts"]
pixels, units = 3 * 224 * 224, 96 * 55 * 55
connected = pixels * units
convolution = nn.Conv2d(3, 96, kernel_size=11, stride=4, padding=2)
print(f"fully connected: {connected:,} weights, {4 * connected / 1e9:.0f} GB in float32")
print(f"convolution:     {profiling.count_parameters(convolution):,} parameters, biases included")

# %% [markdown]
# The graphics card of 2012 that the authors used, a GTX 580, had 3 GB (section 3.2). A convolution says: what is
# worth looking for here is worth looking for everywhere, and to find it one has to look only nearby. That is why it
# needs so few weights.
#
# ### The second obstacle: time
#
# In 2012 the usual nonlinearity was $\tanh$. Measure how long a network needs with it. The paper's figure 1 does:
# four layers, CIFAR-10, no regularisation of any kind, and the number of epochs until 25 % of the training images are
# still classified wrongly. "The learning rates for each network were chosen independently to make training as fast as
# possible": scale `gpu` tries several. Scale `laptop` stops at 35 % and has one rate for both networks, to save you
# the time.

# %%
target_error = scale.pick(smoke=0.25, laptop=0.35, gpu=0.25)
race_images = train.take(scale.pick(smoke=200, laptop=None, gpu=None), seed)
race_epochs = scale.pick(smoke=1, laptop=12, gpu=100)
rates = scale.pick(smoke=(0.01,), laptop=(0.01,), gpu=(0.002, 0.005, 0.01, 0.02, 0.05))


def race(activation, learning_rate):
    """Train until `target_error` is reached, or for `race_epochs`; every choice but these two is the same."""
    training.seed_everything(seed)
    network = models.build("alexnet_four_layer", num_classes=10, image_size=32, activation=activation)
    return training.fit(
        network, race_images, None, scale, epochs=race_epochs, batch_size=128, learning_rate=learning_rate,
        schedule="constant", weight_decay=0, augmentation=None, seed=seed, name=f"{activation}, rate {learning_rate}",
        stop=lambda history: history.train_error[-1] <= target_error,
    )  # fmt: skip


def fastest(runs):
    """The run that reached the target first; where none did, the one that came nearest."""
    return min(runs, key=lambda run: (run.epochs_to(target_error) or float("inf"), run.train_error[-1]))


with_tanh = fastest([race("tanh", rate) for rate in rates])

# %% alt="Training error with tanh over the epochs, falling towards the target, a dotted line."
plots.compare({"tanh": with_tanh}, value="train_error", target=target_error, title="Four layers with tanh: the problem")

# %% [markdown]
# The network of the paper took five to six days with its fast nonlinearity (section 5). At several times that, nobody
# might have had the patience to find out whether it works. Section 4 runs the same race with one thing changed.
#
# > **Predict.** How many epochs will the same network need with ReLU, $f(x) = \max(0, x)$, in place of $\tanh$? Write
# > a number down.

# %% [markdown]
# ## 2 · The arithmetic of a convolution
#
# Everything in AlexNet follows from two small computations. You will use them in every lesson from here on, so do
# them by hand once.
#
# ### Output size
#
# A kernel of $k$ pixels slides over a row of $n$ pixels, padded with $p$ on *both* sides, in steps of $s$. Every
# place where it fits entirely gives one output. A last place where it would hang over the edge gives none: those
# pixels are never seen.

# %% alt="Rows of pixels with the places where a kernel lands; a pixel that no kernel reaches is hatched."
examples = [(11, 3, 2, 0), (12, 3, 2, 0), (11, 3, 2, 1)]
_, axes = plt.subplots(len(examples), 1, figsize=(8, 5.6), layout="constrained")
for ax, (size, kernel, stride, padding) in zip(axes, examples, strict=True):
    lands = range(-padding, size + padding - kernel + 1, stride)
    for pixel in range(-padding, size + padding):
        seen, inside = pixel < lands[-1] + kernel, 0 <= pixel < size
        ax.bar(pixel, 1, 0.92, color="#D9D9D9" if inside else "white", edgecolor="#6B6B6B", hatch="" if seen else "///")
    for row, left in enumerate(lands):
        ax.plot([left - 0.4, left + kernel - 0.6], [1.4 + 0.45 * row] * 2, lw=4, color=plots.PALETTE["blue"])
    ax.set(title=f"{size} pixels, kernel {kernel}, stride {stride}, padding {padding}: {len(lands)} places", yticks=[])
    ax.set(xlabel="pixel (white: padding, hatched: never seen)" if ax is axes[-1] else "", xlim=(-1.7, 12.7))

# %% [markdown]
# ### Exercise 2.1 · Output size &nbsp; (3 points)
#
# Write the formula as a function. It holds for convolutions and for pooling alike. These are its values for the first
# layers of AlexNet:
#
# | layer | input | kernel | stride | padding | output |
# | --- | --- | --- | --- | --- | --- |
# | convolution 1 | 224 | 11 | 4 | 2 | **55** |
# | pooling 1 | 55 | 3 | 2 | 0 | **27** |
# | convolution 2 | 27 | 5 | 1 | 2 | **27** |


# %% exercise="alexnet.output_size"
def output_size(input_size: int, kernel_size: int, stride: int = 1, padding: int = 0) -> int:
    """Side, in pixels, of what a convolution or a pooling layer puts out.

    input_size: side of the square input in pixels. kernel_size: side of the square kernel in pixels.
    stride: step in pixels. padding: pixels added on each of the four sides. Returns an int.
    """
    ### BEGIN SOLUTION
    return (input_size + 2 * padding - kernel_size) // stride + 1
    ### END SOLUTION


# %%
check("alexnet.output_size", output_size)

# %% [markdown] tags=["solution"]
# Between the first place and the last lie $n + 2p - k$ pixels; `//` counts the whole steps among them, and places are
# one more than steps. Two of the most common mistakes hide in this line: forgetting that one, and padding on one side
# only.

# %% [markdown]
# The paper says that its input is 224 × 224 and shows no padding. Does that give 55?

# %% tags=["facts"]
for side, padding in ((224, 0), (227, 0), (224, 2)):
    steps = (side + 2 * padding - 11) / 4
    print(f"{side} pixels, padding {padding}: {steps:.2f} steps, {reference.output_size(side, 11, 4, padding)} places")

# %% [markdown]
# It does not. Two readings give 55: pictures of 227 pixels, or a padding of 2, which this course uses. (With the
# padding, the kernel does not quite reach the right edge: 224 + 4 - 11 is no multiple of 4.) Papers contain such
# slips; checking sizes is the quickest way to find them.
#
# ### Parameters and multiply-adds
#
# A layer with $C_\text{in}$ input channels and $C_\text{out}$ output channels has $C_\text{out}$ kernels. Each spans
# $k \times k$ pixels of *all* input channels, and has one bias. A kernel at one place of the output costs as many
# multiply-adds as it has weights: multiply each weight by a pixel, add it to the sum. Then it moves to the next
# place.
#
# With **groups**, the channels are dealt out into $g$ equal shares, of the input as of the output. A kernel reads
# only its own share of the input. Section 3 shows why AlexNet does this.
#
# ### Exercise 2.2 · What a layer costs &nbsp; (4 points)
#
# | layer | in | out | kernel | output | groups | parameters | multiply-adds |
# | --- | --- | --- | --- | --- | --- | --- | --- |
# | convolution 1 | 3 | 96 | 11 | 55 | 1 | **34,944** | **105,415,200** |
# | convolution 2 | 96 | 256 | 5 | 27 | 2 | **307,456** | **223,948,800** |
# | linear 6 | 256 | 4096 | 6 | 1 | 1 | **37,752,832** | **37,748,736** |
#
# The last line is no convolution in the paper. But a linear layer that reads 256 channels of 6 × 6 pixels is one,
# with a kernel as large as its input: it fits in one place. Without biases, the first column of results would be
# 34,848, 307,200 and 37,748,736; the second would be the same.


# %% exercise="alexnet.layer_cost"
def layer_cost(
    in_channels: int, out_channels: int, kernel_size: int, output_size: int, groups: int = 1, bias: bool = True
) -> tuple[int, int]:
    """Parameters of a convolution, and its multiply-adds for one image: two ints.

    kernel_size, output_size: sides of the square kernel and the square output, in pixels. groups divides both numbers
    of channels. bias: whether there is one for each output channel. Adding it is not counted as a multiply-add.
    """
    ### BEGIN SOLUTION
    weights = out_channels * (in_channels // groups) * kernel_size**2
    return weights + (out_channels if bias else 0), weights * output_size**2
    ### END SOLUTION


# %%
check("alexnet.layer_cost", layer_cost)

# %% [markdown] tags=["solution"]
# The parameters do not depend on the size of the picture, the multiply-adds do. That one line is behind both labels
# on the lecture's slide: convolutions have few weights and use each of them thousands of times, linear layers have
# many and use each once.

# %% [markdown]
# ## 3 · Two towers
#
# The network did not fit into 3 GB. So the authors put half of the channels on each of two cards, "with one
# additional trick: the GPUs communicate only in certain layers" (section 3.2). Convolutions 2, 4 and 5 read the
# channels of their own card. Convolution 3 and the linear layers read both. The slide draws the halves as two towers
# of 48, 128, 192, 192 and 128 channels.
#
# Today one card holds all of it, and the towers survive as one argument, `groups=2`. A grouped convolution *is* two
# convolutions side by side:

# %% tags=["facts"]
whole = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)
towers = [nn.Conv2d(48, 128, kernel_size=5, padding=2) for _ in range(2)]
for tower, weight, bias in zip(towers, whole.weight.chunk(2), whole.bias.chunk(2), strict=True):
    tower.load_state_dict({"weight": weight, "bias": bias})

x = torch.randn(1, 96, 27, 27)
side_by_side = torch.cat([tower(half) for tower, half in zip(towers, x.chunk(2, dim=1), strict=True)], dim=1)
print("weight of the grouped convolution:", tuple(whole.weight.shape))
print("weight of each tower:             ", tuple(towers[0].weight.shape))
print("same output, to rounding:         ", torch.allclose(whole(x), side_by_side, atol=1e-5))

# %% [markdown]
# Written as one large convolution, half of its weights are zero and stay zero. The picture has a row for each output
# channel, a column for each input channel, and the size of the 5 × 5 weights between them as brightness.

# %% alt="Matrix of 256 by 96 channels: a bright block for each tower on the diagonal, black elsewhere."
dense = torch.zeros(256, 96)
for number, tower in enumerate(towers):
    dense[128 * number : 128 * (number + 1), 48 * number : 48 * (number + 1)] = (
        tower.weight.detach().square().sum((2, 3)).sqrt()
    )
_, ax = plt.subplots(figsize=(4.2, 5), layout="constrained")
picture = ax.imshow(dense, cmap="magma", aspect="auto", interpolation="nearest")
ax.set(xlabel="input channel", ylabel="output channel", title="Convolution 2 in two groups")
plt.colorbar(picture, label="norm of the 5 × 5 weights")

# %% tags=["facts"]
grouped, full = (reference.layer_cost(96, 256, 5, 27, groups) for groups in (2, 1))
for what, with_two, with_one in zip(("parameters", "multiply-adds"), grouped, full, strict=True):
    print(f"{what:>13}: {with_two:>11,} in two groups, {with_one:>11,} in one")

# %% [markdown]
# Half the weights, half the work, and no traffic between the cards. The paper reports that two towers err less, by
# 1.7 points (top-1) and 1.2 points (top-5), than *one* network with half as many kernels in each convolutional layer
# (section 3.2). That comparison changes more than the grouping; discussion question 1 comes back to it. Grouping was
# a workaround in 2012. Lesson 8 (ResNeXt) uses it on purpose, lesson 9 (MobileNet) takes it to the limit.

# %% [markdown]
# ## 4 · ReLU
#
# What slows $\tanh$ down? Learning follows the slope, and away from zero $\tanh$ has none: it *saturates*.

# %% alt="tanh and ReLU, and their slopes: that of tanh falls to 0 on both sides, that of ReLU is 1 above 0."
x = torch.linspace(-4, 4, 401)
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for name, y, slope, style in (("tanh", x.tanh(), 1 - x.tanh() ** 2, "--"), ("ReLU", x.relu(), (x > 0).float(), "-")):
    color = plots.PALETTE["vermilion" if name == "tanh" else "blue"]
    left.plot(x, y, style, color=color, label=name)
    right.plot(x, slope, style, color=color, label=name)
left.set(title="activation", xlabel="input x", ylabel="f(x)")
right.set(title="slope, by which the gradient is multiplied", xlabel="input x", ylabel="f'(x)")
left.legend()

# %% tags=["facts"]
edge = torch.tensor(0.9).sqrt().atanh().item()  # 1 - tanh(x) ** 2 = 0.1
print(f"Beyond |x| = {edge:.2f} the slope of tanh is below 0.1.")
print(f"After four layers like that, less than {0.1**4:.4f} of a gradient is left.")

# %% [markdown]
# A ReLU lets the gradient through undiminished wherever it is active. Where it is not, it lets nothing through, for
# this image; "if at least some training examples produce a positive input to a ReLU, learning will happen in that
# neuron" (section 3.3). It is also cheap: a comparison instead of an exponential.
#
# Now the race of section 1 again, with this one change.

# %%
with_relu = fastest([race("relu", rate) for rate in rates])

# %% alt="Training error over the epochs with tanh and with ReLU, and the target as a dotted line."
plots.compare(
    {"tanh": with_tanh, "ReLU": with_relu},
    value="train_error",
    target=target_error,
    title="The paper's figure 1, measured here",
)


# %%
def epochs_in_words(run):
    needed = run.epochs_to(target_error)
    if needed is None:
        return f"{run.name}: not by epoch {len(run)} (training error {run.train_error[-1]:.1%} by then)"
    return f"{run.name}: in epoch {needed}"


def verdict(slow, fast):
    slow_needs, fast_needs = slow.epochs_to(target_error), fast.epochs_to(target_error)
    if fast_needs is None:
        return "Too few epochs or images at this scale to tell: ReLU did not get there."
    factor = f"{slow_needs / fast_needs:.1f}" if slow_needs else f"more than {len(slow) / fast_needs:.1f}"
    return f"tanh needed {factor} times the epochs of ReLU; the paper's figure 1 says six times."


print(f"Training error of {target_error:.0%} on {len(race_images):,} images of {train.source}:")
print(epochs_in_words(with_tanh), epochs_in_words(with_relu), verdict(with_tanh, with_relu), sep="\n")

# %% [markdown]
# Compare with your prediction, and do not expect a six. The authors write themselves that "the magnitude of the
# effect demonstrated here varies with network architecture" (figure 1), and one thing has changed since: the weights
# that training starts from. Theirs were drawn with a standard deviation set by hand (0.01 in section 5); ours keep
# the scale of the activations from layer to layer (He et al. 2015). Here is why that matters for one nonlinearity and
# not for the other: the same network, before training, with its weights multiplied by a gain.

# %% alt="Share of units with a slope below 0.1 against the weights' gain: rising for tanh, level for ReLU."
gains = (0.25, 0.5, 1, 2, 4, 8, 16)
batch = train.normalisation.apply(train.images[:64])
slopes = {"tanh": lambda y: 1 - y**2, "relu": lambda y: (y > 0).float()}
_, ax = plt.subplots(figsize=(8, 3.4), layout="constrained")
for (activation, slope), style, color in zip(slopes.items(), ("s--", "o-"), ("vermilion", "blue"), strict=True):
    training.seed_everything(seed)
    untrained = models.build("alexnet_four_layer", num_classes=10, image_size=32, activation=activation)
    asleep = []
    for gain in gains:
        x, shares = batch, []
        for name, layer in untrained.features.named_children():
            x = layer(gain * x if name.startswith("conv") else x).detach()  # biases are 0, so this scales the weights
            if name.startswith("act"):
                shares.append((slope(x) < 0.1).float().mean())
        asleep.append(100 * torch.stack(shares).mean())
    ax.semilogx(gains, asleep, style, base=2, color=plots.PALETTE[color], label=activation)
ax.set(xlabel="gain on all weights", ylabel="units with slope < 0.1 (%)", ylim=(0, 100), title="Who is asleep?")
ax.legend()
mark_miniature(ax, [train])

# %% [markdown]
# The ReLU network does not notice: multiply its weights, and the same units are active as before. The tanh network
# falls asleep as weights grow, and weights grow in training. A careful start (Glorot and Bengio 2010, He et al. 2015)
# helps tanh most, so a race with today's start is a milder test than that of 2012. And one run of each is an
# anecdote: set `seed` to something else above and see what stays.

# %% [markdown]
# ## 5 · Local response normalisation
#
# ReLUs have no upper end. A channel that answers loudly could drown the others, so the paper lets neighbouring
# channels inhibit each other, "inspired by the type found in real neurons" (section 3.3). With $a_i$ the activation
# of channel $i$ at one pixel, after the ReLU, and $N$ channels in all,
#
# $$ b_i = \frac{a_i}{\Big(k + \alpha \sum_{j=\max(0,\, i-n/2)}^{\min(N-1,\, i+n/2)} a_j^2\Big)^{\beta}},
#    \qquad k = 2,\; n = 5,\; \alpha = 10^{-4},\; \beta = 0.75, $$
#
# where $n/2$ is rounded down: the channel itself and two neighbours on either side. Every pixel is on its own; the
# window lies along the channels.
#
# ### Exercise 2.3 · Local response normalisation &nbsp; (5 points)
#
# Write the formula for whole tensors, without a loop over pixels. Eight channels that all answer with 100 should
# become the numbers printed here. The channels in the middle have four neighbours, those at the ends have two, so
# they are divided by less: $100 / (2 + 10^{-4} \cdot 3 \cdot 100^2)^{0.75}$.

# %% tags=["facts"]
target = reference.local_response_norm(torch.full((1, 8, 1, 1), 100.0))
print("shape:", tuple(target.shape), " values:", [round(value, 3) for value in target.flatten().tolist()])


# %% exercise="alexnet.local_response_norm"
def local_response_norm(
    x: torch.Tensor, n: int = 5, k: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> torch.Tensor:
    """Local response normalisation exactly as the formula above (Krizhevsky et al. 2012, section 3.3).

    x: activations (N, C, H, W). n: channels in the window, an odd number. Returns a new tensor (N, C, H, W).
    Beyond the first and the last channel there is nothing: the window is cut off there.
    """
    ### BEGIN SOLUTION
    channels = x.shape[1]
    padded = F.pad(x.square(), (0, 0, 0, 0, n // 2, n // 2))
    sums = sum(padded[:, shift : shift + channels] for shift in range(n))
    return x / (k + alpha * sums) ** beta
    ### END SOLUTION


# %%
check("alexnet.local_response_norm", local_response_norm)

# %% [markdown] tags=["solution"]
# Zeros add nothing to a sum of squares, so padding with zeros is the same as cutting the window off. The sum of $n$
# shifted copies needs no loop over channels.

# %% [markdown]
# ### A trap: two formulas with one name
#
# PyTorch has `nn.LocalResponseNorm(size, alpha, beta, k)`. Its documentation divides $\alpha$ by the window:
# $k + \frac{\alpha}{n}\sum a_j^2$. Caffe did the same. Hand the paper's constants over, and you get another function;
# multiply $\alpha$ by $n$, and you get the paper's.

# %% tags=["facts"]
activations = 100 * torch.rand(2, 96, 27, 27, generator=torch.Generator().manual_seed(0))
of_the_paper = reference.local_response_norm(activations)
for alpha in (1e-4, 5 * 1e-4):
    of_pytorch = nn.LocalResponseNorm(5, alpha=alpha, beta=0.75, k=2.0)(activations)
    off = ((of_pytorch - of_the_paper).abs().max() / of_the_paper.abs().max()).item()
    print(f"alpha={alpha:.4f}: PyTorch's differs from the paper's by up to {off:.0%} of the largest value")

# %% [markdown]
# What does it do? Here one channel answers with 150 amid neighbours that answer with 30. Both are divided, but the
# loud one shouts its neighbours down: those inside its window lose more than those outside.

# %% alt="15 channels, one of them loud: after normalisation its four neighbours are lowest."
before = torch.full((1, 15, 1, 1), 30.0)
before[0, 7] = 150
after = reference.local_response_norm(before)
_, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for ax, values, title in zip(axes, (before, after), ("before", "after normalisation"), strict=True):
    colors = [plots.PALETTE["orange" if abs(channel - 7) <= 2 and channel != 7 else "blue"] for channel in range(15)]
    ax.bar(range(15), values.flatten(), color=colors, edgecolor="#6B6B6B", lw=0.6)
    ax.set(
        title=title, xlabel="channel (orange: neighbours of the loud one)", ylabel="activation", xticks=range(0, 15, 2)
    )

# %% [markdown]
# Those were activations of 30 and 150. With $\alpha = 10^{-4}$, activations near 1 add almost nothing to $k$: then
# the layer only divides everything by $2^{0.75}$. So the constants belong to a *scale of activations*, here that of
# pixels from 0 to 255. Section 12 comes back to this.

# %% tags=["facts"]
for size in (1, 10, 100):
    share = 1e-4 * 5 * size**2 / (2 + 1e-4 * 5 * size**2)
    print(f"activations of {size:>3}: the neighbours make up {share:.2%} of the denominator's base, k the rest")

# %% [markdown]
# ## 6 · Overlapping pooling
#
# A pooling layer keeps the largest activation of each window. Usually the windows tile the plane: 2 pixels wide, 2
# apart. AlexNet's overlap: 3 wide, 2 apart. The paper finds 0.4 points less top-1 error (0.3 top-5) and networks
# "slightly more difficult to overfit" (section 3.4), at outputs "of equivalent dimensions". Check the last claim:

# %% tags=["facts"]
for side in (55, 27, 13):
    of_3, of_2 = reference.output_size(side, 3, stride=2), reference.output_size(side, 2, stride=2)
    print(f"{side:>2} pixels: {of_3:>2} windows of 3, {of_2:>2} windows of 2")

# %% alt="13 pixels under windows of two, side by side, and of three, which share a pixel with the next."
_, axes = plt.subplots(2, 1, figsize=(8, 2.9), layout="constrained", sharex=True)
for ax, size in zip(axes, (2, 3), strict=True):
    ax.bar(range(13), 1, 0.92, color="#D9D9D9", edgecolor="#6B6B6B")
    for number in range(reference.output_size(13, size, 2)):
        left = 2 * number
        height = 1.35 + 0.45 * (number % 2)
        ax.plot([left - 0.4, left + size - 0.6], [height, height], lw=5, color=plots.PALETTE["blue"])
    ax.set(
        ylim=(0, 2.1),
        yticks=[],
        title=f"windows of {size}, 2 apart" + (": every second pixel is seen twice" if size == 3 else ""),
    )
axes[-1].set(xlabel="pixel", xticks=range(13))

# %% [markdown]
# ## 7 · The feature extractor
#
# Now you have all parts of the left side of the slide. In order (section 3.5):
#
# | name | channels | kernel | stride | padding | groups | then |
# | --- | --- | --- | --- | --- | --- | --- |
# | `conv1` | 96 | 11 | 4 | 2 | 1 | ReLU, normalisation, pooling |
# | `conv2` | 256 | 5 | 1 | 2 | 2 | ReLU, normalisation, pooling |
# | `conv3` | 384 | 3 | 1 | 1 | 1 | ReLU |
# | `conv4` | 384 | 3 | 1 | 1 | 2 | ReLU |
# | `conv5` | 256 | 3 | 1 | 1 | 2 | ReLU, pooling |
#
# Normalisation is section 5's with the paper's constants, pooling the maximum over 3 × 3 pixels, 2 apart.
#
# ### Exercise 2.4 · The feature extractor &nbsp; (5 points)
#
# Your module has **2,334,080** parameters and maps `(1, 3, 224, 224)` to `(1, 256, 6, 6)`. With
# `channels=(8, 16, 24, 24, 16)` it has **12,368** and maps `(2, 3, 96, 96)` to `(2, 16, 2, 2)`. You may use PyTorch's
# own normalisation layer, if you remember section 5.


# %% exercise="alexnet.feature_extractor"
class FeatureExtractor(nn.Module):
    """AlexNet up to its last pooling (Krizhevsky et al. 2012, section 3.5).

    channels: put out by convolutions 1 to 5, which are named conv1, conv2, conv3, conv4 and conv5, have biases, and
    are all that has parameters. Maps images (N, 3, H, W) to features (N, channels[4], H', W'); 224 pixels become 6.
    """

    def __init__(self, channels: tuple[int, ...] = (96, 256, 384, 384, 256)):
        super().__init__()
        ### BEGIN SOLUTION
        c1, c2, c3, c4, c5 = channels
        self.conv1 = nn.Conv2d(3, c1, kernel_size=11, stride=4, padding=2)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=2)
        self.norm = nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)
        ### END SOLUTION

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ### BEGIN SOLUTION
        x = self.pool(self.norm(F.relu(self.conv1(x))))
        x = self.pool(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        return self.pool(F.relu(self.conv5(x)))
        ### END SOLUTION


# %%
check("alexnet.feature_extractor", FeatureExtractor)

# %% [markdown] tags=["solution"]
# The order ReLU, normalisation, pooling is AlexNet's; ZFNet (lesson 3) normalises after pooling, which is cheaper.
# Normalisation and pooling have nothing to learn, so one of each serves both places. `ceil_mode=True` would change
# nothing here: 55, 27 and 13 leave no remainder. The check also runs your module backwards: a gradient is wrong where
# a ReLU is missing even if the output happens to be positive.

# %% [markdown]
# ## 8 · Against learning by heart
#
# Sixty million parameters, 1.2 million images. The paper calls what happens without a remedy "substantial
# overfitting" and has two remedies.
#
# ### More pictures from the same pictures
#
# Section 4.1 cuts patches of 224 × 224 pixels at random places out of pictures of 256 × 256, and mirrors half of
# them. Our pictures are smaller, so they are padded by 4 pixels and cut back to 32 × 32.

# %% tags=["facts"]
print(f"224 of 256 pixels: {(256 - 224 + 1) ** 2 * 2:,} patches of one picture; section 4.1 says {32**2 * 2:,}")
print(f"32 of 32 + 2 * 4:  {(40 - 32 + 1) ** 2 * 2:,} patches")

# %% alt="One picture and eleven random crops, some mirrored; black rims where the padding shows."
picture = train[:1]
generator = torch.Generator().manual_seed(seed)
copies = picture.images.repeat(11, 1, 1, 1)
crops = random_crop(copies, torch.randint(0, 9, (11, 2), generator=generator), padding=4)
crops = flip(crops, torch.rand(11, generator=generator) < 0.5)


def with_copies(images):
    """The picture and what became of its copies, as an image set that still knows where it came from."""
    return replace(picture, images=torch.cat([picture.images, images]), labels=picture.labels.repeat(12))


plots.image_grid(with_copies(crops), columns=6, titles=None, title="One picture (top left), eleven training examples")

# %% [markdown]
# The second form changes the light. Find the principal components of the colours in the training set, unit vectors
# $p_i$ with variances $\lambda_i$, and add $\alpha_1 \lambda_1 p_1 + \alpha_2 \lambda_2 p_2 + \alpha_3 \lambda_3 p_3$
# to every pixel of a picture. The $\alpha_i$ are drawn once a picture, from a normal distribution of standard
# deviation 0.1. That "reduces the top-1 error rate by over 1 %" on ImageNet.
#
# Check the units before you use a formula: $\lambda_i$ is a *variance*, so what is added depends on whether pixels go
# from 0 to 1 or from 0 to 255.

# %%
colours = train.images[:2000].movedim(1, -1).reshape(-1, 3).double()
variances, components = torch.linalg.eigh(colours.T.cov())  # ascending; component i is column i
for variance, component in zip(variances.flip(0), components.T.flip(0), strict=True):
    direction = [round(colour, 2) for colour in component.tolist()]
    print(f"{variance / variances.sum():6.1%} of the variance along (red, green, blue) = {direction}")

largest = variances[-1]
print("\nOne standard deviation of alpha moves a pixel along the first component by so many of 256 levels:")
print(f"as printed, pixels from 0 to 255:  {0.1 * largest:8.1f}")
print(f"as printed, pixels from 0 to 1:    {0.1 * largest / 255:8.1f}")
print(f"with standard deviations instead:  {0.1 * largest.sqrt():8.1f}   (in either unit)")

# %% [markdown]
# The first would leave nothing of any picture. The last has no such trouble, and here it is.

# %% alt="One picture and eleven versions of it that are a little brighter, darker or tinted."
alphas = 0.1 * torch.randn(11, 3, generator=generator, dtype=torch.double)
shifts = (alphas * variances.sqrt()) @ components.T
lit = (copies + shifts[:, :, None, None]).clamp(0, 255).to(torch.uint8)
plots.image_grid(with_copies(lit), columns=6, titles=None, title="The same picture in eleven lights")

# %% [markdown]
# ### Dropout
#
# The linear layers have most of the parameters (section 9 counts), and there the slide writes "lots of dropout": in
# training, each hidden unit is set to zero with probability 0.5, drawn anew for every image. A unit cannot rely on
# any other unit being there. It is like training a different network on every image, all of them sharing their
# weights.
#
# In testing all units take part. Then twice as many are active as in training, so the paper halves their outputs.
# PyTorch doubles them in *training* and leaves testing alone ("inverted" dropout). The expectation is the same
# relative to what the next layer was trained on:


# %% tags=["facts"]
def dropout_of_the_paper(x, training_mode, p=0.5):
    return x * (torch.rand_like(x) >= p) if training_mode else x * (1 - p)


dropout = nn.Dropout(0.5)
torch.manual_seed(0)
units = torch.ones(100_000)
for name, training_mode, tested in (
    ("paper", dropout_of_the_paper(units, True), dropout_of_the_paper(units, False)),
    ("PyTorch", dropout.train()(units), dropout.eval()(units)),
):
    print(f"{name:>7}: {training_mode.mean():.2f} on average in training, {tested.mean():.2f} in testing")

# %% alt="Mean output of a unit over more and more dropout masks, settling on its value in testing."
torch.manual_seed(seed)
masks = torch.arange(1, 301)
_, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
for name, layer, style, tested in (
    ("PyTorch", dropout.train(), "-", 1.0),
    ("paper", lambda x: dropout_of_the_paper(x, True), "--", 0.5),
):
    color = plots.PALETTE["blue" if name == "PyTorch" else "vermilion"]
    ax.plot(masks, layer(torch.ones(300)).cumsum(0) / masks, style, color=color, label=f"{name}, mean so far")
    ax.axhline(tested, color=color, lw=0.8, ls=":")
ax.set(
    xlabel="masks drawn",
    ylabel="output of a unit that is 1",
    ylim=(0, 2.05),
    title="Training settles on testing (dotted)",
)
ax.legend()

# %% [markdown]
# The means agree; the network's *output* need not, because ReLU and softmax lie in between. The paper calls the
# halved network "a reasonable approximation" of the geometric mean of all the networks that dropout could draw
# (section 4.2). With two layers of 4,096 units these are $2^{8192}$.
#
# One consequence surprises everyone once: a network in training mode gives two answers to one picture. Call
# `network.eval()` before you test.

# %% tags=["facts"]
small = models.build("alexnet", num_classes=10, image_size=32, width=0.25)
x = torch.randn(1, 3, 32, 32)
with torch.no_grad():
    print("training mode, twice the same picture, same answer:", torch.equal(small.train()(x), small(x)))
    print("eval mode,     twice the same picture, same answer:", torch.equal(small.eval()(x), small(x)))

# %% [markdown]
# ## 9 · The network
#
# Two linear layers of 4,096 units, with ReLU and dropout, and one of 1,000 make the classifier. Here is the whole
# network, drawn from the model itself. The brackets say what the slide says, "most of the computation" and "most of
# the parameters", but from counting.
#
# > **Predict.** Of the eight layers with weights, which has the most parameters, and which does the most
# > multiply-adds?

# %%
alexnet = models.build("alexnet")
profile = profiling.profile(alexnet)

# %% alt="AlexNet in blocks, two towers among them; brackets mark most computation and most parameters."
plots.architecture(alexnet)

# %% tags=["facts"]
features, classifier = profile.stages.layers
for stage, what in ((features, "convolutions"), (classifier, "linear layers")):
    print(
        f"{what:>13}: {stage.parameters / profile.parameters:5.1%} of the parameters, "
        f"{stage.multiply_adds / profile.multiply_adds:5.1%} of the multiply-adds"
    )
print(f"        total: {profile.parameters:,} parameters, {profile.multiply_adds:,} multiply-adds")

# %% [markdown]
# So the slide is right, and the paper's "60 million parameters" is 60,965,224. Layer by layer:

# %%
profile

# %% alt="Each layer's share of the parameters (most in linear 6) and of the multiply-adds (convolution 2)."
plots.cost_bars(profile)

# %% [markdown]
# Check the table with your own function: the eight layers must add up to the same totals.

# %% tags=["facts"]
layers = [
    (3, 96, 11, 55, 1), (96, 256, 5, 27, 2), (256, 384, 3, 13, 1), (384, 384, 3, 13, 2), (384, 256, 3, 13, 2),
    (256, 4096, 6, 1, 1), (4096, 4096, 1, 1, 1), (4096, 1000, 1, 1, 1),
]  # fmt: skip
costs = [reference.layer_cost(*layer) for layer in layers]
print("by formula: ", *(f"{sum(column):,}" for column in zip(*costs, strict=True)))
print("by counting:", f"{profile.parameters:,} {profile.multiply_adds:,}")

# %% [markdown]
# ### A number in the paper that cannot be right
#
# The caption of figure 2 gives the number of neurons in each layer. Compare:

# %% tags=["facts"]
caption = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
counted = [layer.activations for layer in profile.layers if layer.multiply_adds]
for number, (paper, here) in enumerate(zip(caption, counted, strict=True), start=1):
    print(f"layer {number}: {paper:>7,} in the paper, {here:>7,} counted{'' if paper == here else '   <- differ'}")
print(f"sum:     {sum(caption):>7,} in the paper, {sum(counted):>7,} counted")
print(f"55 x 55 x 96 = {55 * 55 * 96:,},  55 x 48 x 96 = {55 * 48 * 96:,}")

# %% [markdown]
# Seven of eight agree. The first is not 55 × 55 × 96; it happens to be 55 × 48 × 96, as if one side had been taken
# for the 48 channels of a tower. That is our guess, the paper does not explain it. The abstract's "650,000 neurons"
# fits the counted sum better than the caption's.

# %% [markdown]
# ## 10 · Top-5 error
#
# ImageNet has 120 breeds of dogs, and many of its photographs show several things while the label names one. So its
# challenge counts a prediction as right if the label is among the network's *five* best guesses.
#
# ### Exercise 2.5 · Top-k error &nbsp; (3 points)
#
# Three images, four classes. The labels rank third, first and second. So the top-1 error is 2/3, the top-2 error 1/3
# and the top-3 error 0:

# %% tags=["facts"]
logits = torch.tensor([[2.0, 0.5, 1.0, -1.0], [0.1, 3.0, 0.2, 0.3], [0.0, 1.0, 2.0, -2.0]])
labels = torch.tensor([1, 1, 1])
print([round(reference.top_k_error(logits, labels, k), 4) for k in (1, 2, 3)])


# %% exercise="alexnet.top_k_error"
def top_k_error(logits: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """Fraction of images, between 0 and 1, whose label is not among their k largest logits.

    logits: (N, C), one row an image. labels: (N,), integers from 0 to C - 1. Returns a float, not a tensor.
    """
    ### BEGIN SOLUTION
    guesses = logits.topk(k, dim=1).indices
    hit = (guesses == labels[:, None]).any(dim=1)
    return 1 - hit.double().mean().item()
    ### END SOLUTION


# %%
check("alexnet.top_k_error", top_k_error)

# %% [markdown] tags=["solution"]
# `labels[:, None]` has the shape (N, 1), so the comparison with (N, k) asks of every guess whether it is the label.
# `any` over the guesses, then the mean over the images: the other order averages over guesses and can never be small.

# %% [markdown]
# ### By how much did AlexNet win?
#
# The slide says that it "cut top-5 error by about 30 %". From what to what? The paper's tables offer several pairs:

# %% tags=["facts"]
pairs = {
    "ILSVRC-2012, second place against the winning entry (table 2)": (26.2, 15.3),
    "the same, against five networks without extra data (table 2)": (26.2, 16.4),
    "the same, against one network (table 2, validation set)": (26.2, 18.2),
    "ILSVRC-2010, best published result against one network (table 1)": (25.7, 17.0),
}
for what, (before, after) in pairs.items():
    print(f"{before:.1f} % -> {after:.1f} %: {(before - after) / before:4.1%} fewer errors   {what}")

# %% [markdown]
# The winning entry made some 42 % fewer errors than the second. It averaged seven networks, two of them trained on
# more data first. The slide's "about 30 %" fits *one* network, which is this lesson's. Both are true statements about
# 2012; say which one you mean.

# %% [markdown]
# ## 11 · Train it
#
# ImageNet took the authors five to six days. We take CIFAR-10, and the form of the network for 32 × 32 pixels: the
# same eight layers, groups, normalisation, pooling and dropout, but a first convolution of 5 × 5 and stride 1, and
# fewer channels at small scales. Weights start as in He et al. 2015: the paper's $\mathcal{N}(0, 0.01^2)$ (section 5)
# fits its layers of thousands of inputs, and is too small for fewer. Momentum 0.9 and weight decay 0.0005 are the
# paper's; the decay "reduces the model's training error" there, not only the gap to the test error. The learning rate
# rises and falls once, where the authors divided it by ten by hand three times.

# %%
training.seed_everything(seed)
network = models.build("alexnet", num_classes=10, image_size=32, width=scale.width)
history = training.fit(
    network, train, test, scale, learning_rate=0.03, augmentation=data.Augmentation(), seed=seed, name="AlexNet",
)  # fmt: skip
history

# %% alt="Error and loss of AlexNet over the epochs, on the training and on the test images."
plots.learning_curves(history)

# %%
evaluation = training.evaluate(network, test)
small_profile = profiling.profile(network, 32, time=True)
results.record("02_alexnet", "alexnet", history=history, profile=small_profile)
print(
    f"{evaluation.accuracy:.1%} of {len(test):,} test images right. Guessing would reach {1 / len(test.classes):.0%}."
)
for k in (1, 2, 3, 5):
    error = reference.top_k_error(evaluation.logits, evaluation.labels, k)
    print(f"top-{k} error {error:.1%}; guessing: {1 - k / len(test.classes):.0%}")

# %% [markdown]
# With ten classes, top-5 is no challenge: guessing gets half of it right. Report top-1 on CIFAR-10.
#
# In the learning curves, training error may lie *above* test error. It is measured with dropout and on cropped,
# mirrored pictures; the test error is not.
#
# ### What it gets wrong

# %% alt="Confusion matrix of AlexNet: rows are the true classes, columns the predictions."
plots.confusion(evaluation)

# %%
confused = evaluation.confusion.clone().fill_diagonal_(0)
for place in confused.flatten().argsort(descending=True)[:4].tolist():
    true, taken = divmod(place, len(test.classes))
    count, total = confused[true, taken], evaluation.confusion[true].sum()
    print(f"{test.classes[true]} taken for {test.classes[taken]}: {count} of {total}")

# %% alt="Twelve test pictures with their true class and the wrong class that the network is surest of."
wrong = (evaluation.predictions != evaluation.labels).nonzero().flatten()
confidence = evaluation.logits.softmax(dim=1).amax(dim=1)[wrong]
surest = wrong[confidence.argsort(descending=True)[:12]]
names = [
    (test.classes[t], test.classes[p])
    for t, p in zip(evaluation.labels[surest], evaluation.predictions[surest], strict=True)
]
plots.image_grid(
    test[surest], columns=6, titles=[f"is {t}" for t, _ in names], captions=[f"said {p}" for _, p in names],
    title="Wrong, and surest of it",
)  # fmt: skip

# %% [markdown]
# Look at the pictures before you blame the network. Some you would get wrong too.
#
# ### Ten views of one picture
#
# In testing the paper averages the network's softmax over ten patches: four corners, the centre, and their mirror
# images (section 4.1). Here are the same ten for pictures padded by 4 pixels.

# %%
corners = [(4, 4), (0, 0), (0, 8), (8, 0), (8, 8)]  # row and column in the padded picture; the first is the centre
probabilities = torch.zeros(len(test), len(test.classes))
for corner in corners:
    view = random_crop(test.images, torch.tensor([corner] * len(test)), padding=4)
    for images in (view, view.flip(-1)):
        views = data.ImageSet(images, test.labels, test.classes, test.source, test.is_miniature)
        probabilities += training.predict(network, views).softmax(dim=1) / 10

one, ten = evaluation.error, reference.top_k_error(probabilities, test.labels, k=1)
print(f"test error with one view {one:.1%}, with ten {ten:.1%}: {100 * (ten - one):+.1f} points at ten times the cost")

# %% [markdown]
# ### What the first layer has learned
#
# Figure 3 of the paper shows the first layer's 96 filters: edges in all directions and at several widths, and blobs
# of colour. Our network's 5 × 5 filters are too small to show much. So train the same network again with filters of
# 11 × 11, the paper's size. They start from the paper's small weights, so that what you see has been learned;
# training is short and on fewer pictures.

# %%
training.seed_everything(seed)
wide_eyed = models.build("alexnet", num_classes=10, image_size=32, width=scale.width)
wide_eyed.features.conv1 = nn.Conv2d(3, wide_eyed.features.conv1.out_channels, kernel_size=11, padding=5)
nn.init.normal_(wide_eyed.features.conv1.weight, std=0.01)  # section 5
filter_history = training.fit(
    wide_eyed, train.take(scale.pick(smoke=200, laptop=15_000, gpu=None), seed), None, scale,
    epochs=scale.pick(smoke=1, laptop=5, gpu=90), learning_rate=0.03, augmentation=data.Augmentation(padding=0),
    seed=seed, name="AlexNet with 11 × 11 filters",
)  # fmt: skip

# %% alt="First-layer filters of 11 by 11 pixels in two panels, one for each tower, the grey ones first."
first, second = wide_eyed.features.conv1.weight.detach().chunk(2)
rows = -(-len(first) // 12)
_, axes = plt.subplots(2, 1, figsize=(8, 0.8 + 1.4 * rows), layout="constrained")
for ax, half, name in zip(axes, (first, second), ("first tower", "second tower"), strict=True):
    plots.filters(half, columns=12, order="colour", title=name, ax=ax)
mark_miniature(axes[0], [train])

# %% [markdown]
# In the paper, the filters of one tower are "largely color-agnostic", those of the other "largely color-specific", in
# every run (section 6.1). Measure that here: the part of a filter's norm that is left after taking away its grey
# part, 0 for a grey filter and 1 for one whose colours cancel. Call the towers specialised if their means are more
# than one standard deviation of all filters apart.


# %%
def colourfulness(filters):
    """(C_out, 3, H, W) -> (C_out,): norm of what differs between the three colours, relative to the whole norm."""
    return (filters - filters.mean(dim=1, keepdim=True)).flatten(1).norm(dim=1) / filters.flatten(1).norm(dim=1)


for what, weight in (("5 × 5", network.features.conv1.weight), ("11 × 11", wide_eyed.features.conv1.weight)):
    towers = [colourfulness(half.detach()) for half in weight.cpu().chunk(2)]
    apart = (towers[0].mean() - towers[1].mean()).abs() / torch.cat(towers).std()
    print(
        f"{what}: mean colourfulness {towers[0].mean():.2f} and {towers[1].mean():.2f}, "
        f"{apart:.1f} standard deviations apart: the towers {'have' if apart > 1 else 'have not'} specialised"
    )

# %% [markdown]
# ## 12 · One thing changed
#
# The paper claims that normalisation "aids generalization" (for a four-layer network on CIFAR-10, 13 % test error
# without it and 11 % with it; section 3.3), and that without dropout the network "exhibits substantial overfitting"
# (section 4.2). Test both.
#
# ### First: is the mechanism at work?
#
# Section 5 found that neighbours count only where activations are large. Look at what the two normalisation layers
# see in the network that you have just trained.

# %%
seen = {}


def remember(name):
    return lambda layer, inputs, output: seen.update({name: inputs[0].float()})


for name in ("norm1", "norm2"):
    hook = network.features.get_submodule(name).register_forward_hook(remember(name))
    training.predict(network, test[:200])
    hook.remove()
    active = seen[name] > 0
    base = reference.local_response_norm(seen[name], beta=-1)[active] / seen[name][active]  # k + alpha * sum
    share = 1 - 2 / base
    print(f"{name}: activations up to {seen[name].max():.1f}. Of the base k + alpha * sum of squares, the sum makes up")
    print(f"       {share.mean():.2%} on average and {share.max():.1%} at most; the rest is k.")

# %% [markdown]
# Where that share is small, nobody competes: the layer does little more than divide by $2^{0.75}$. The authors fed
# pixels from 0 to 255, and we normalise them to a standard deviation of 1. Apart from the biases, the layers before a
# normalisation are homogeneous (multiply the input by $\sigma$, and every activation is multiplied by $\sigma$), so
# their $\alpha a^2$ is our $\alpha \sigma^2 a^2$. To give their claim a fair test, use $\alpha \sigma^2$ with
# $\sigma$ the standard deviation of our pixels on their scale.

# %%
sigma = 255 * sum(train.normalisation.std) / 3
fair_alpha = 1e-4 * sigma**2
print(f"sigma = {sigma:.0f} levels, so alpha = {fair_alpha:.2f} instead of 0.0001")

# %% [markdown]
# ### Then: change one thing
#
# Same pictures, same first weights, same order of batches, same everything but for one option. Several seeds, because
# one run does not tell how much runs differ by chance.
#
# > **Predict.** Which of the three changes will lower the *training* error, and which the *test* error?

# %%
arms = {
    "as in the paper": {},
    "alpha to our scale": {"alpha": fair_alpha},
    "without normalisation": {"lrn": False},
    "without dropout": {"dropout": 0.0},
}
ablation_images = train.take(scale.pick(smoke=128, laptop=5000, gpu=None), seed)
ablation_seeds = range(seed, seed + scale.pick(smoke=1, laptop=3, gpu=5))


def run_arm(name, run_seed, alpha=1e-4, **options):
    """(training error, test error), both measured after training, with dropout off and on pictures as they are."""
    training.seed_everything(run_seed)
    network = models.build("alexnet", num_classes=10, image_size=32, width=scale.width / 2, **options)
    network.features.norm1.alpha = network.features.norm2.alpha = alpha
    training.fit(
        network, ablation_images, None, scale, epochs=scale.pick(smoke=1, laptop=8, gpu=60), batch_size=64,
        learning_rate=0.03, augmentation=None, seed=run_seed, name=f"{name}, seed {run_seed}",
    )  # fmt: skip
    return [training.evaluate(network, images).error for images in (ablation_images, test)]


errors = {arm: torch.tensor([run_arm(arm, s, **options) for s in ablation_seeds]) for arm, options in arms.items()}

# %% alt="Training and test error, a point a seed: the paper's form, alpha to scale, no normalisation, no dropout."
_, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
for row, points in enumerate(errors.values()):
    for column, (what, marker, color) in enumerate((("training", "o", "blue"), ("test", "s", "vermilion"))):
        label = f"{what} error" if row == 0 else None
        height = torch.full((len(points),), row + 0.12 * (2 * column - 1))
        ax.plot(100 * points[:, column], height, marker, color=plots.PALETTE[color], ms=8, alpha=0.7, label=label)
ax.set(yticks=range(len(arms)), yticklabels=arms, xlabel="error (%), one point a seed", ylim=(len(arms) - 0.5, -0.5))
ax.grid(axis="x", color="#DDDDDD")
ax.set_title(f"{len(ablation_images):,} training images, {train.source}")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
mark_miniature(ax, [train])


# %%
def effect(arm, against):
    """How the errors of `arm` differ from those of `against`, seed by seed, in a sentence made from the numbers."""
    change = 100 * (errors[arm] - errors[against])
    on_training, on_test = change.mean(dim=0)
    sentence = f"{arm}, against {against}: training error {on_training:+.1f} points, test error {on_test:+.1f}"
    if len(change) < 2:
        return sentence + " (one seed: chance cannot be told apart)."
    doubt = change[:, 1].std() / len(change) ** 0.5
    return sentence + f" ± {doubt:.1f}{'.' if on_test.abs() > 3 * doubt else ', which may be chance.'}"


for arm, points in errors.items():
    at_training, at_test = 100 * points.mean(dim=0)
    print(f"{arm:>21}: training {at_training:.1f} %, test {at_test:.1f} %, gap {at_test - at_training:.1f} points")
print()
print(effect("without normalisation", "as in the paper"))
print(effect("without normalisation", "alpha to our scale"))
print(effect("without dropout", "as in the paper"))

# %% [markdown]
# The number after ± is the standard error over seeds of the paired difference. A difference of less than three of
# them is called chance here, which is cautious: with few seeds the standard error is itself uncertain.

# %% [markdown] tags=["solution"]
# Read the first two comparisons together. Against the paper's constants, taking normalisation away tests little more
# than a division by a constant, whatever the difference looks like. Only the second comparison tests the mechanism.
# For dropout, look at the gap as well as at the errors: overfitting is the gap, and dropout may narrow it while both
# errors rise, if training is too short to make up for the units that were missing ("dropout roughly doubles the
# number of iterations required to converge", section 4.2). Our runs are short. To claim anything about convergence,
# repeat them with twice the epochs.

# %%
results.table(lesson="02_alexnet")

# %% [markdown]
# ## 13 · Discuss
#
# **1.** The paper compares two towers with *one* network of half as many kernels in each convolutional layer, and the
# two towers win (section 3.2). Which two things changed at once? Describe the comparison that isolates the effect of
# grouping, and say what you would keep equal: channels, parameters or multiply-adds.

# %% [markdown] discuss="alexnet.1"
# The number of channels and the connection pattern changed together: the larger network has twice the channels, so it
# would be expected to win without any grouping. To isolate grouping, compare `groups=2` with `groups=1`. Three fair
# versions answer three questions. Equal *channels*: what is lost by not connecting the towers (the ungrouped network
# has more weights). Equal *parameters*, by narrowing the ungrouped network: is it better to have more channels or
# more connections for the same memory? Equal *multiply-adds*: the same for the same time. Several seeds each. ResNeXt
# (lesson 8) does the second and third.

# %% [markdown]
# **2.** The winning entry averaged seven networks, two of them pre-trained on the larger ImageNet release of autumn
# 2011. A headline says "new architecture cuts errors by 42 %". What is wrong with it, and which number of section 10
# would you print?

# %% [markdown] discuss="alexnet.2"
# The number compares whole entries, not architectures: it mixes the architecture with averaging (18.2 → 16.4 with
# five networks) and with extra training data. The second-placed entry averaged several classifiers too, so neither
# number compares single models on both sides. The most careful figure for the architecture is one network without
# extra data, 26.2 → 18.2, or 30.5 % fewer errors, with the reservation that one is a test and the other a validation
# error (the paper says that they differ by no more than 0.1 points).

# %% [markdown]
# **3.** Most parameters are in layers that do little of the computation. What does that mean for (a) downloading the
# network to a phone, (b) running it there, (c) training it on several machines that must exchange gradients?

# %% [markdown] discuss="alexnet.3"
# (a) Size is parameters: shrink or remove the linear layers (Network in Network, lesson 5, replaces them by global
# average pooling). (b) Time for one picture is mostly the convolutions' multiply-adds, but with one picture at a time
# the linear layers' weights are read from memory for a single use each, so they can cost more time than their share
# of multiply-adds suggests: measure. (c) Exchanging gradients costs parameters, computing costs multiply-adds: split
# the batch for the convolutions and the *layer* for the linear part. That is the "one weird trick" of Krizhevsky
# 2014.

# %% [markdown]
# ## Summary
#
# 1. Output size is $\lfloor (n + 2p - k) / s \rfloor + 1$. Parameters do not depend on the picture's size,
#    multiply-adds do. Grouping divides both by the number of groups.
# 2. AlexNet has 60,965,224 parameters, nearly all in its linear layers, and does nearly all of its computation in its
#    convolutions.
# 3. ReLU lets gradients through where $\tanh$ saturates, at any scale of the weights. The paper found it six times as
#    fast; you measured your own factor.
# 4. Constants of a layer belong to a scale of its inputs: PyTorch's $\alpha$ is not the paper's, and with small
#    activations response normalisation does next to nothing.
# 5. Augmentation and dropout work against learning by heart. A claim about either needs one change, everything else
#    equal, and several seeds.
#
# ## Go further
#
# - Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014
#   ([arXiv](https://arxiv.org/abs/1404.5997)): the one-tower network that torchvision calls AlexNet.
#   `models.build("alexnet_owt")` has it; list the differences from its profile.
# - Russakovsky et al., *ImageNet Large Scale Visual Recognition Challenge*, 2015
#   ([arXiv](https://arxiv.org/abs/1409.0575)): the challenge, its rules, and how well people do.
# - Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, JMLR 2014
#   ([jmlr.org](https://jmlr.org/papers/v15/srivastava14a.html)).
# - Nair and Hinton, *Rectified Linear Units Improve Restricted Boltzmann Machines*, ICML 2010: where ReLU comes from.
#
# **A research question.** The paper reports that one tower specialises in colour in every run, whatever the initial
# weights. Nothing in the loss asks for it. Does it happen on CIFAR-10, at which widths, and after how many epochs?
# Does it happen with more than two towers (`groups=4`)? Start from `colourfulness` in section 11, and decide before
# you look what difference you would call a specialisation.

# %%
summary("02_alexnet")
