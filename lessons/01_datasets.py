# %% [markdown]
# # 1 · Data sets: what a network learns from
#
# A network knows nothing but its training images. Whatever is rare in them it hardly learns, whatever is mislabelled
# it learns wrongly, and whatever all of them share it takes for the world. So this course begins with the images: five
# data sets, read from their own files, measured, and then one experiment in which the network stays the same and only
# the data change.
#
# **After this lesson you can**
#
# - *read* CIFAR-10, ImageNet, YFCC100M, Open Images and Places365 from the files in which they are distributed;
# - *measure* how unbalanced and how noisy labels are, and say what an accuracy is worth on such labels;
# - *write* the steps between a file and a network: statistics, crops and flips, sampling, all on whole batches;
# - *use* a nearest neighbour as the baseline that a network has to beat;
# - *test* what a long tail and wrong labels do to a network, class by class.
#
# **You need** Python and tensors in PyTorch, and to have trained some network once.
#
# **Time**: reading 45 minutes, exercises 75, running 5 (scale `laptop`, four cores).
#
# **Papers**, one for each data set: Krizhevsky 2009
# ([CIFAR-10](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf)), Russakovsky et al., IJCV 2015
# ([ImageNet](https://arxiv.org/abs/1409.0575)), Thomee et al., CACM 2016
# ([YFCC100M](https://arxiv.org/abs/1503.01817)), Kuznetsova et al., IJCV 2020
# ([Open Images](https://arxiv.org/abs/1811.00982)), Zhou et al., TPAMI 2018
# ([Places](https://arxiv.org/abs/1610.02055)). If you read only one, read section 3 of the second.

# %%
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from torch import nn

from course_lib import data, plots, profiling, results, scales, training
from course_lib.data import facts, folders, imagenet, open_images, places365, yfcc100m
from course_lib.exercises import check, summary
from course_lib.exercises import datasets as reference
from course_lib.plots.style import SETTINGS, mark_miniature

plt.rcParams.update(SETTINGS)

# %% tags=["parameters"]
scale = "laptop"  # "smoke": seconds, to see that everything runs; "laptop": minutes; "gpu": as large as it gets
seed = 0

# %%
scale = scales.get(scale)
train, test = data.cifar10()
train, test = train.take(scale.train_images, seed), test.take(scale.test_images, seed)
train

# %% [markdown]
# ## 1 · The question
#
# "Our classifier is right on 40 % of the test images." Is that good? It depends on nothing so much as on the test
# images.
#
# Here is a classifier that does not even look at the picture: it always names the most frequent class. And here are
# two test sets. The first is that of CIFAR-10. The second has the same classes and the same pictures, but fewer and
# fewer of them from class to class: a **long tail**, as Cui et al. (2019) make it. The first class keeps all its
# images, the last a hundredth of them.


# %%
def long_tail(images, ratio, seed=0):
    """The same images, thinned out: the first class keeps all, the last 1 / ratio, those between fall off evenly."""
    generator = torch.Generator().manual_seed(seed)
    kept = []
    for label in range(len(images.classes)):
        members = (images.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)]
        share = ratio ** (-label / (len(images.classes) - 1))
        kept.append(members[: max(1, round(share * len(members)))])
    return images[torch.cat(kept)]


test_sets = {"CIFAR-10": test, "with a long tail": long_tail(test, ratio=100, seed=seed)}
for name, images in test_sets.items():
    frequent = images.class_counts().argmax()
    right = (images.labels == frequent).double().mean()
    print(f"{name}: {len(images):,} test images; always saying {images.classes[frequent]!r} is right on {right:.0%}")

# %% alt="Images in each class: equal bars for CIFAR-10; bars that shrink to a hundredth for the long tail."
plots.class_counts(test_sets, log=True, title="The same classes, two test sets")

# %% [markdown]
# Same pictures, same blindness, and several times the accuracy. A number without its data set says little. In most
# collections that nobody balanced, the long tail is the usual case. So before any network, measure the data.
#
# Two numbers describe how unequal the classes are.
#
# - The **imbalance ratio**: the largest class's count divided by the smallest's. It sees the two extremes only.
# - The **effective number of classes**, $\exp(H)$ with the entropy $H = -\sum_c p_c \ln p_c$ of the shares $p_c$. Ten
#   equal classes have an effective number of 10. If nine of them hardly occur, it is little more than 1.
#
# (Do not confuse the second with Cui et al.'s effective number of *samples*, which is something else.)
#
# ### Exercise 1.1 · How unbalanced is it? &nbsp; (4 points)
#
# Six images of class 0, three of class 1 and one of class 2 should give what the next cell prints. With a fourth class
# that has no image, the ratio is infinite, `float("inf")`, and the effective number is as before.

# %% tags=["facts"]
toy = torch.tensor([0, 0, 0, 1, 0, 1, 2, 0, 1, 0])
print("three classes: ratio {:.1f}, effective number {:.3f}".format(*reference.imbalance(toy, 3)))
print("a fourth, empty: ratio {:.1f}, effective number {:.3f}".format(*reference.imbalance(toy, 4)))


# %% exercise="datasets.imbalance"
def imbalance(labels: torch.Tensor, num_classes: int) -> tuple[float, float]:
    """Imbalance ratio and effective number of classes: two floats.

    labels: int64 (N,), each between 0 and num_classes - 1; a class may have no image at all. The ratio is the largest
    count over the smallest (infinity where the smallest is 0), the effective number the exponential of the entropy in
    nats (natural logarithm; a class without images adds nothing).
    """
    ### BEGIN SOLUTION
    counts = labels.bincount(minlength=num_classes).double()
    share = counts[counts > 0] / len(labels)
    entropy = -(share * share.log()).sum()
    return (counts.max() / counts.min()).item(), entropy.exp().item()
    ### END SOLUTION


# %%
check("datasets.imbalance", imbalance)

# %% [markdown] tags=["solution"]
# Two traps: `bincount` without `minlength` does not see classes at the end of the list that have no image, and 0 times
# log 0 is NaN in floating point, though its limit is 0.

# %%
for name, images in test_sets.items():
    ratio, effective = reference.imbalance(images.labels, 10)
    print(f"{name}: imbalance ratio {ratio:.0f}, effectively {effective:.1f} of 10 classes")

# %% [markdown]
# ## 2 · Five data sets
#
# What the sources say about the five, side by side. Every number is linked to the paper or page it was taken from;
# "not stated" means that those do not say. Read two rows with care before you use any of them for a product:
# *licence* and *known faults*.

# %%
facts.TABLE

# %% [markdown]
# The lecture's slides shorten, and in two places slip. What is exact:
#
# - **CIFAR-10**, the slide says: 60k images, 32 × 32, 10 classes; *a good sanity check, trains and tests quickly*.
#   Exactly: 50,000 images to train and 10,000 to test, the same number of each class. Section 3.
# - **ImageNet**: 1.2M images in 1000 classes; *well balanced, well curated*. Exactly: the challenge of 2012, with
#   1,281,167 images to train, 50,000 to validate, 100,000 to test. How well balanced, and how well curated: section 4.
# - **Yahoo Flickr 100M**: 100M images, 10k classes or tags; *noisy, unbalanced, more like the real world*. Exactly:
#   YFCC100M, 99.2M photos and 0.8M videos. It has no classes at all: people typed user tags, programs added machine
#   tags. Section 5.
# - **Open Images**: "9M classes in 6k classes"; *Creative Commons; image masks and bounding boxes*. That is a slip:
#   9M *images*. They had some 6k classes in the first version of 2016; version 7 has 20,638, and also relations,
#   narratives and point labels. Section 6.
# - **MIT Places**: 10M images in 400+ classes; *scenes rather than objects*. Exactly: that is Places2, with 10M images
#   in 434 classes. Nearly everyone uses a part of it, Places365-Standard: 1.8M images in 365 classes. Section 7.
#
# Sections 3 to 7 open them one after the other, each with the loader for its own files. Four of the five are too
# large, or need a signature, to be fetched on the spot. Where you have a copy, name its folder in an environment
# variable (`COURSE_IMAGENET`, `COURSE_YFCC100M`, `COURSE_OPEN_IMAGES`, `COURSE_PLACES365`) and start again. Where you
# have none, the same loader reads a **miniature**: a hundred drawings in exactly the official layout. It teaches you
# the files. What you measure on it tells you how we drew it, and nothing about the world.

# %% [markdown]
# ## 3 · CIFAR-10: the sanity check

# %% alt="Forty pictures of CIFAR-10 with their classes, four of each."
plots.image_grid(train.take(40, seed), columns=10)

# %% [markdown]
# 32 × 32 pixels are few. Cover the captions: how many would you get right? All of it fits in memory as bytes, and that
# is why it is the sanity check of the field. An idea that fails here within minutes need not be tried on ImageNet for
# days. The reverse does not hold: much that works here does not work there.
#
# ### From bytes to numbers a network likes
#
# A network trains best when its inputs have mean 0 and deviation 1, so every lesson normalises each colour channel.
# Those six numbers are often copied from one program to the next, along with any error in them. Compute them.
#
# Doing it in memory is one line. ImageNet does not fit in memory: there you see every batch once and keep three sums.
# With $n$ pixels $x$ of a channel,
#
# $$ \mu = \frac{1}{n} \sum x, \qquad \sigma^2 = \frac{1}{n} \sum x^2 - \mu^2 . $$
#
# ### Exercise 1.2 · Mean and deviation in one pass &nbsp; (5 points)
#
# Your function gets an iterator: once through, and it is empty. The batches are bytes, and not equally large, so the
# mean of their means is not the answer. For all training images it should give the two lines below.

# %%
whole_at_once = train.normalisation  # computed by counting how often each of the 256 values occurs
print("mean     ", [round(value, 4) for value in whole_at_once.mean])
print("deviation", [round(value, 4) for value in whole_at_once.std])


# %% exercise="datasets.channel_statistics"
def channel_statistics(batches) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel, two float tensors (3,), of pixels scaled from bytes to [0, 1].

    batches: an iterator over uint8 (B, 3, H, W); B may differ from batch to batch. Go through it once.
    The deviation is that of all pixels: divide by their number, not by one less.
    """
    ### BEGIN SOLUTION
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for images in batches:
        pixels = images.double() / 255
        count += pixels[:, 0].numel()
        total += pixels.sum((0, 2, 3))
        squares += pixels.square().sum((0, 2, 3))
    mean = total / count
    return mean, (squares / count - mean.square()).sqrt()
    ### END SOLUTION


# %%
check("datasets.channel_statistics", channel_statistics)

# %% [markdown] tags=["solution"]
# The subtraction is the weak spot. Where the mean is large against the deviation, two nearly equal numbers are
# subtracted and float32 runs out of digits; float64 is enough for pixels. Welford's method (1962) avoids the
# subtraction altogether.

# %% [markdown]
# ### More pictures than there are
#
# A horse a few pixels to the left is still a horse, and so is its mirror image. A network does not know that until it
# is shown. The standard recipe for CIFAR-10 pads each image with four zeros on every side, crops a window of the old
# size at a random place, and flips half of the windows left to right.
#
# Most programs do this image by image, in Python. A whole batch takes a few tensor operations instead; the cell after
# your check measures what that is worth here.
#
# ### Exercise 1.3 · Crop and flip a whole batch &nbsp; (5 points)
#
# The random numbers come from outside, so that anybody can check the result. Four numbered pixels in a row, 1 2 3 4,
# padded with two zeros on each side, read 0 0 1 2 3 4 0 0. A window that starts at column 0 sees 0 0 1 2, at column 3
# it sees 2 3 4 0, and mirrored 0 4 3 2. The figure shows the same on whole images.

# %% tags=["facts"]
row = torch.tensor([1, 2, 3, 4]).expand(3, 1, 3, 4)  # three equal images of 3 x 4 pixels, one channel
offsets = torch.tensor([[2, 0], [2, 3], [2, 3]])  # row and column of each window
windows = reference.crop_and_flip(row, offsets, torch.tensor([False, False, True]), padding=2)
print(windows[:, 0, 0].tolist())

# %% alt="Five pictures, and below each a window shifted by up to four pixels, the second and the fourth mirrored."
five = train.take(5, seed)
offsets = torch.tensor([[0, 0], [0, 8], [8, 0], [8, 8], [4, 4]])
mirrored = torch.tensor([False, True, False, True, False])
target = reference.crop_and_flip(five.images, offsets, mirrored)
where = [f"{tuple(place)}{', mirrored' * flipped}" for place, flipped in zip(offsets.tolist(), mirrored, strict=True)]
pictures = replace(five, images=torch.cat([five.images, target]), labels=five.labels.repeat(2))
plots.image_grid(pictures, columns=5, titles=[""] * 5 + where, row_titles=["image", "window\nat offset"])


# %% exercise="datasets.crop_and_flip"
def crop_and_flip(
    images: torch.Tensor, offsets: torch.Tensor, mirrored: torch.Tensor, padding: int = 4
) -> torch.Tensor:
    """A window of each zero-padded image, some of them mirrored: (N, C, H, W) -> (N, C, H, W), numbers as they are.

    images: bytes or floats. offsets: int64 (N, 2), row and column of the window's first pixel in the padded image,
    each from 0 to 2 * padding. mirrored: bool (N,), the windows to flip left to right, after cropping.
    padding: zeros on each of the four sides, in pixels.
    """
    ### BEGIN SOLUTION
    _, channels, height, width = images.shape
    padded = nn.functional.pad(images, [padding] * 4)
    rows = offsets[:, :1] + torch.arange(height)
    columns = offsets[:, 1:] + torch.arange(width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).flatten(1)  # (N, H * W)
    return padded.flatten(2).gather(2, pixels[:, None].expand(-1, channels, -1)).view(images.shape)
    ### END SOLUTION


# %%
check("datasets.crop_and_flip", crop_and_flip)

# %% [markdown] tags=["solution"]
# A pixel of the flattened image has one number, and a window is a table of such numbers: broadcasting a column of rows
# against a row of columns makes it. Mirroring costs nothing, since a mirrored window is one whose columns are read
# backwards. Indexing with `padded[number, :, rows, columns]` is as right, and several times slower: it fetches every
# pixel by itself, where `gather` walks along the channels.


# %%
def one_by_one(images, offsets, mirrored, padding=4):
    """The same as `crop_and_flip`, in the usual way."""
    height, width = images.shape[2:]
    windows = []
    for image, (row, column), mirror in zip(images, offsets.tolist(), mirrored.tolist(), strict=True):
        window = nn.functional.pad(image, [padding] * 4)[:, row : row + height, column : column + width]
        windows.append(window.flip(2) if mirror else window)
    return torch.stack(windows)


batch = train.images[:512]
offsets, mirrored = torch.randint(0, 9, (len(batch), 2)), torch.rand(len(batch)) < 0.5
for function in (one_by_one, reference.crop_and_flip):
    start = time.perf_counter()
    for _ in range(5):
        function(batch, offsets, mirrored)
    print(f"{function.__name__:14} {(time.perf_counter() - start) / 5 / len(batch) * 1e6:6.1f} microseconds an image")

# %% [markdown]
# ### The baseline
#
# What would you do without a network? Look for the training image most like the one in question, and repeat its label.
# That needs no training, and it is the first visual search of this course (lesson 10 comes back to it). "Most like"
# means here: the smallest Euclidean distance between pixels.
#
# ### Exercise 1.4 · The nearest neighbour &nbsp; (3 points)
#
# Three training pictures of one colour each, black (label 7), grey (label 8) and white (label 9), and two queries,
# dark and light, should give the labels below. Mind that the images are bytes, and what bytes do when they are
# subtracted.

# %% tags=["facts"]
grey = torch.tensor([0, 128, 255, 40, 250], dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 2, 2)
print(reference.nearest_neighbour(grey[:3], torch.tensor([7, 8, 9]), grey[3:]).tolist())
print("and 3 - 5 in bytes is", (torch.tensor(3, dtype=torch.uint8) - torch.tensor(5, dtype=torch.uint8)).item())


# %% exercise="datasets.nearest_neighbour"
def nearest_neighbour(
    train_images: torch.Tensor, train_labels: torch.Tensor, query_images: torch.Tensor
) -> torch.Tensor:
    """For each query the label of the nearest training image, int64 (Q,), by Euclidean distance between pixels.

    train_images: uint8 (N, 3, H, W). train_labels: int64 (N,). query_images: uint8 (Q, 3, H, W).
    """
    ### BEGIN SOLUTION
    distance = torch.cdist(query_images.flatten(1).double(), train_images.flatten(1).double())
    return train_labels[distance.argmin(dim=1)]
    ### END SOLUTION


# %%
check("datasets.nearest_neighbour", nearest_neighbour)

# %% [markdown] tags=["solution"]
# `cdist` with thousands of queries and tens of thousands of images makes a large matrix: (Q, N) numbers. Lesson 10
# searches piece by piece, and then with an index that does not look at every image.

# %%
known = train.take(scale.pick(smoke=300, laptop=5_000, gpu=None), seed)
queries = test.take(scale.pick(smoke=50, laptop=500, gpu=2_000), seed)
start = time.perf_counter()
answers = reference.nearest_neighbour(known.images, known.labels, queries.images)
seconds = time.perf_counter() - start
accuracy = (answers == queries.labels).double().mean()
print(f"nearest of {len(known):,} images: {accuracy:.1%} right, guessing: {1 / len(test.classes):.0%}")
print(f"{1000 * seconds / len(queries):.1f} ms for each query, and it grows with the training set")

# %% alt="Six queries in the first row and, below each, its nearest neighbour among the training images."
distance = torch.cdist(queries.images[:6].flatten(1).float(), known.images.flatten(1).float())
nearest = known[distance.argmin(dim=1)]
names = [images.classes[label] for images in (queries[:6], nearest) for label in images.labels]
plots.image_grid(replace(queries[:6], images=torch.cat([queries.images[:6], nearest.images]),
                         labels=torch.cat([queries.labels[:6], nearest.labels])),
                 columns=6, titles=names, row_titles=["query", "nearest"])  # fmt: skip

# %% [markdown]
# Pixels compare background and light before they compare objects: blue with blue, bright with bright. Every network
# of this course has to beat this number, and the better of them learn a distance in which objects count.

# %% [markdown]
# ## 4 · ImageNet: well balanced, well curated
#
# The classes are nouns of WordNet, each with a number such as `n02930766` and its synonyms. For every noun, search
# engines delivered candidates, and several people voted on each picture whether it shows the thing (Russakovsky et al.
# 2015, section 3.1).

# %%
objects = imagenet.open()
example = objects[0]
print(objects)
print(f"the first picture: {tuple(example.image.shape)}, label {example.label}, {example.wnid}, {example.synonyms}")

# %% alt="Sixteen pictures from ImageNet or its miniature, with their classes: one object in the middle of each."
plots.image_grid(objects.preview(16, size=96, seed=seed), columns=8)

# %% [markdown]
# Mostly one object, large and near the middle: so the search engines delivered it, and so it was voted for. The
# pictures have all sizes; a network's loader scales and crops them to 224 × 224.
#
# How well is *well balanced*? The papers give the smallest and the largest class. That is enough for the ratio, and
# for a bound on the effective number: the entropy is lowest if every class is either as small or as large as it may
# be, so try every number of large ones.

# %% tags=["facts"]
for name, classes, smallest, largest in (("ImageNet", 1000, 732, 1300), ("Places365", 365, 3068, 5000)):
    large = torch.arange(classes + 1, dtype=torch.float64)  # how many classes are as large as the largest
    images = large * largest + (classes - large) * smallest
    many, few = largest / images, smallest / images  # the share of one large and of one small class
    entropy = -(large * many * many.log() + (classes - large) * few * few.log())
    bound = entropy.exp().min()
    print(f"{name}: imbalance ratio {largest / smallest:.2f}, effectively at least {bound:.0f} of {classes} classes")

# %% [markdown]
# That is well balanced indeed, and the round maxima suggest why: the collectors set a limit. *Well curated* is true
# as well, within limits. Northcutt et al. (2021) had people look again at validation pictures that a trained network
# doubted, and estimate that at least 6 % of the labels are wrong. Two networks whose errors differ by less than that
# differ, perhaps, in how well they imitate the labellers.

# %% [markdown]
# ## 5 · YFCC100M: noisy, unbalanced, more like the real world
#
# Nobody collected these pictures for a purpose. They are what people put on Flickr from 2004 to 2014 under a Creative
# Commons licence. The core of the data set is one text file: a line for every photo or video, 25 columns between tabs,
# a hundred million lines. You do not load that; you let it stream past.

# %%
photos = yfcc100m.open()
album = yfcc100m.sample(photos, scale.pick(smoke=240, laptop=20_000, gpu=1_000_000))
print(photos)
photo = max(album, key=lambda photo: bool(photo.user_tags) + bool(photo.machine_tags) + bool(photo.autotags))
for column in ("identifier", "title", "date_taken", "capture_device", "latitude", "longitude", "licence_name",
               "user_tags", "machine_tags", "autotags"):  # fmt: skip
    print(f"{column:15} {getattr(photo, column)}")

# %% [markdown]
# Three kinds of labels, which are often mixed up:
#
# - **User tags** are words that the uploader typed: for friends, for searches, for the trip.
# - **Machine tags** are written by programs, as `namespace:predicate=value`: where a phone was, what an app did. They
#   are Flickr's term, and have nothing to do with machine *learning*.
# - **Autotags** were added later: 1,570 concepts, found in the pixels by classifiers on features of AlexNet, each with
#   a score (the Multimedia Commons' expansion packs).

# %% alt="Eight photos with what the uploader wrote above, and what a classifier found below."
seen = [photo for photo in album if photo.picture and photo.user_tags][:8]
if seen:  # a copy of the metadata need not have the pictures
    above = [" ".join(photo.user_tags[:2]) for photo in seen]
    below = [" ".join(concept for concept, _ in photo.autotags[:2]) for photo in seen]
    plots.image_grid(folders.thumbnails((photo.read() for photo in seen), 96), columns=4, titles=above,
                     captions=below, title="User tags above, autotags below")  # fmt: skip
    mark_miniature(plt.gca(), [photos])

# %% [markdown]
# *Noisy* can be measured too. Compare what was typed with what is visible.

# %%
both = [(set(photo.user_tags), {concept for concept, _ in photo.autotags}) for photo in album]
both = [(typed, visible) for typed, visible in both if typed and visible]
shared, typed, visible = (sum(map(len, sets)) for sets in zip(*((t & v, t, v) for t, v in both), strict=True))
print(f"{sum(not photo.user_tags for photo in album) / len(album):.0%} of the uploads have no user tag at all")
print(f"{1 - shared / typed:.0%} of the words typed are not among the concepts found in the picture")
print(f"{1 - shared / visible:.0%} of the concepts found in the picture were not typed")

# %% [markdown]
# The second line is noise in the narrow sense: words about the camera, the day, the mood. The third is the worse one
# for a classifier: a network trained on tags is told that every word that was *not* typed is absent. (The autotags
# are not the truth either: their classifiers were tuned to be right in at least 90 % of the cases in which they
# speak.)
#
# And *unbalanced*:

# %% alt="How often each user tag occurs, by rank: a few very often, most of them hardly ever."
tags = Counter(tag for photo in album for tag in photo.user_tags)
ax = plots.class_counts(dict(tags.most_common(1_000)), log=True, title="User tags of YFCC100M")
ax.set(xlabel="user tag, by rank (1: most uploads)", ylabel="uploads with the tag")
mark_miniature(ax, [photos])

# %% [markdown]
# ## 6 · Open Images: boxes and masks
#
# Here too, nobody chose the classes in advance: pictures with a Creative Commons licence came first, labels after.
# Classifiers proposed what might be in a picture, and people answered yes or no. The annotations are CSV files; that
# of the boxes alone has more than fourteen million rows for training. The loader notes where each picture's rows
# stand.

# %%
scenes = open_images.open()
examples = [scenes[index] for index in range(min(len(scenes), 60))]
example = max(examples, key=lambda example: len(example.masks) if len(example.boxes) <= 4 else 0)  # not too crowded
print(scenes)
print("verified to be there:    ", [label.label for label in example.labels if label.confidence == 1])
print("verified to be absent:   ", [label.label for label in example.labels if label.confidence == 0])
print("everything else:          nobody asked")
print("partly hidden:           ", [box.label for box in example.boxes if box.is_occluded])
print("reaching over the border:", [box.label for box in example.boxes if box.is_truncated])

# %% alt="The same picture twice: on the left a labelled box around every object, on the right masks of the objects."
height, width = example.image.shape[1:]
corners = torch.tensor([box.pixels(height, width) for box in example.boxes])
_, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
plots.boxes_and_masks(example.image, boxes=corners, labels=[box.label for box in example.boxes], ax=left)
plots.boxes_and_masks(
    example.image,
    masks=torch.stack([mask.mask for mask in example.masks]),
    mask_labels=[mask.label for mask in example.masks],
    ax=right,
)
left.set_title(f"{len(example.boxes)} boxes")
right.set_title(f"{len(example.masks)} masks")
mark_miniature(left, [scenes])

# %% [markdown]
# Boxes come as fractions of width and height, so they fit the picture at any size. Masks are pictures of their own,
# for some of the boxes. Two things here are new against ImageNet. A picture has *many* labels, so the question
# changes from "which one?" to "which ones?". And there are three answers, not two: yes, no, and *not asked*. Take the
# third for a no, and you train on wrong labels.
#
# Nobody balanced the classes:

# %% alt="Boxes of each class on a logarithmic axis: some classes have many times as many as others."
box_counts = scenes.box_counts()
ax = plots.class_counts(box_counts, log=True, title="Boxes of Open Images")
ax.set(ylabel="boxes of the class")
mark_miniature(ax, [scenes])

# %% [markdown]
# ## 7 · Places: scenes rather than objects

# %%
places = places365.open()
print(places)
print(f"the first picture: {tuple(places[0].image.shape)}, label {places[0].label}, {places[0].scene!r}")

# %% alt="Sixteen pictures from Places365 or its miniature, with the names of their scenes."
plots.image_grid(places.preview(16, size=96, seed=seed), columns=8)

# %% [markdown]
# What is the difference between an object and a scene, to a classifier? One answer can be measured: *where in the
# picture is the label?* Cover the middle, or everything but the middle, and see what the nearest neighbour still
# recognises. An object in the middle should suffer when its middle is gone. A place is everywhere.


# %%
def covered(images, keep):
    """The images with all but the middle in grey ("middle"), with the middle in grey ("border"), or as they are."""
    height, width = images.image_size
    middle = torch.zeros(height, width, dtype=torch.bool)
    middle[height // 5 : height - height // 5, width // 5 : width - width // 5] = True
    visible = {"middle": middle, "border": ~middle, "all": torch.ones_like(middle)}[keep]
    return replace(images, images=torch.where(visible, images.images, torch.tensor(128, dtype=torch.uint8)))


count = scale.pick(smoke=100, laptop=1_000, gpu=10_000)
splits = {
    "ImageNet": (objects.preview(count, 32, seed), imagenet.open(split="val").preview(count, 32, seed)),
    "Places365": (places.preview(count, 32, seed), places365.open(split="val").preview(count, 32, seed)),
}
for name, (known, queries) in splits.items():
    print(f"{name} ({known.source}), guessing: {1 / len(known.classes):.1%}")
    for keep in ("all", "middle", "border"):
        parts = covered(known, keep), covered(queries, keep)
        answers = reference.nearest_neighbour(parts[0].images, parts[0].labels, parts[1].images)
        print(f"    {keep:6} visible: {(answers == queries.labels).double().mean():.1%} right")

# %% alt="Four objects and four scenes with their middle in grey, and below them the same with only the middle left."
kinds = [covered(known[:4], keep).images for keep in ("border", "middle") for known, _ in splits.values()]
plots.image_grid(
    replace(known[:1], images=torch.cat(kinds), labels=torch.zeros(16, dtype=torch.int64)),
    columns=8,
    titles=None,
    row_titles=["border", "middle"],
)

# %% [markdown]
# Compare "middle" with "border" for each of the two. Pixels are a poor distance, so on photographs all numbers will be
# low; in lesson 10 you can repeat this with the features of a network. Zhou et al. (2018) show the other
# side of it: inside a network trained on Places, units that detect *objects* emerge, though nobody ever labelled one.

# %% [markdown]
# ## 8 · Measured side by side
#
# Every label of what was opened above, in the two numbers of section 1.

# %%
counted = {
    train.source: train.class_counts(),
    f"{train.source}, with a long tail": long_tail(train, 100, seed).class_counts(),
    objects.source: objects.class_counts(),
    f"{photos.source}: tags": torch.tensor(list(tags.values())),
    f"{scenes.source}: boxes": torch.tensor(list(box_counts.values())),
    places.source: places.class_counts(),
}
for name, counts in counted.items():
    ratio, effective = reference.imbalance(torch.arange(len(counts)).repeat_interleave(counts), len(counts))
    print(f"{name:70} ratio {ratio:8.1f}   effectively {effective:7.1f} of {len(counts):,}")

# %% [markdown]
# Data sets *made* for classification (CIFAR-10, ImageNet, Places365) are balanced because somebody balanced them. Data
# sets that were *found* (YFCC100M, Open Images) have a long tail. So far this is a fact about files. Does it matter?

# %% [markdown]
# ## 9 · The experiment: one network, three training sets
#
# The same small network, the same number of images, the same number of steps, the same untouched, balanced test set.
# Only the training images differ:
#
# 1. **as it is**: CIFAR-10, as many images as the tail has;
# 2. **long tail**: the last class has a hundredth of the first;
# 3. **wrong labels**: as 1, but four labels in ten are replaced by another class at random.
#
# Against the long tail there is a simple remedy: draw images of rare classes more often, so that every class is seen
# equally often in training. We add it as a fourth run.
#
# > **Predict.** Which of the two will cost more accuracy, the tail or the wrong labels? Which classes will suffer in
# > each case? Will the remedy bring the rare classes up to the others? Write your guesses down.
#
# ### Exercise 1.5 · Sample all classes alike &nbsp; (3 points)
#
# Every image gets the probability with which it is drawn. The images of section 1's toy example, six of class 0, three
# of class 1 and one of class 2, should get these:

# %% tags=["facts"]
print([round(weight, 4) for weight in reference.balanced_weights(toy, 3).tolist()])


# %% exercise="datasets.balanced_weights"
def balanced_weights(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """The probability to draw each image, float (N,), that makes every class that is present equally likely.

    labels: int64 (N,), between 0 and num_classes - 1; some classes may have no image. The weights sum to 1, and images
    of the same class have the same weight.
    """
    ### BEGIN SOLUTION
    counts = labels.bincount(minlength=num_classes)
    weights = 1 / counts[labels].double()
    return weights / weights.sum()
    ### END SOLUTION


# %%
check("datasets.balanced_weights", balanced_weights)

# %% [markdown] tags=["solution"]
# One over the class's count makes the weights of a class sum to the same for every class; dividing by the sum of all
# makes them probabilities. `training.fit(weights=...)` takes them and draws that often, with replacement.

# %% [markdown]
# The training sets:


# %%
def wrong_labels(images, share, seed=0):
    """The same images; a `share` of the labels, at random, is replaced by another class."""
    generator = torch.Generator().manual_seed(seed)
    classes = len(images.classes)
    replaced = torch.rand(len(images), generator=generator) < share
    other = (images.labels + torch.randint(1, classes, (len(images),), generator=generator)) % classes
    return replace(images, labels=torch.where(replaced, other, images.labels))


tail = long_tail(train, 100, seed)
even = train.take(len(tail), seed)
noisy = wrong_labels(even, 0.4, seed)
alike = reference.balanced_weights(tail.labels, 10)
runs = {"as it is": (even, None), "long tail": (tail, None), "tail, classes alike": (tail, alike),
        "wrong labels": (noisy, None)}  # fmt: skip
print(f"{len(even):,} images each; {(noisy.labels != even.labels).double().mean():.0%} of the labels wrong in the last")

# %% [markdown]
# The network: three convolutions, each normalised, rectified and pooled; then the mean over what is left of the
# picture, and one linear layer. You will meet every part of it again.


# %%
def small_network(width):
    """Three convolutions and a linear layer: (N, 3, 32, 32) to logits (N, 10)."""
    channels = [3, *(max(8, round(width * channels)) for channels in (32, 64, 128))]
    layers = []
    for before, after in pairwise(channels):
        convolution = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], 10))


profiling.profile(small_network(scale.width), 32)

# %%
epochs = scale.pick(smoke=1, laptop=20, gpu=60)
watched = test.take(scale.pick(smoke=100, laptop=2_000, gpu=None), seed)  # measured after every epoch
histories, evaluations, networks = {}, {}, {}
for name, (images, weights) in runs.items():
    histories[name] = []
    for repetition in range(scale.seeds):
        training.seed_everything(seed + repetition)
        networks[name] = small_network(scale.width)
        histories[name].append(
            training.fit(networks[name], images, watched, scale, epochs=epochs, weights=weights, learning_rate=0.1,
                         seed=seed + repetition, name=name)
        )  # fmt: skip
    evaluations[name] = training.evaluate(networks[name], test)

# %% alt="Test error over the epochs in the four runs."
plots.compare(histories, value="test_error", title="One network, four ways to train it")

# %% alt="Accuracy on each class in the four runs; the classes are ordered from the frequent to the rare."
plots.per_class(evaluations, title="Frequent classes on the left, rare ones on the right")

# %%
print(f"{'accuracy on':20} {'all':>8} {'3 frequent':>12} {'3 rare classes of the tail':>28} {'training':>10}")
for name, evaluation in evaluations.items():
    by_class = torch.tensor(list(evaluation.class_accuracy.values()))
    print(f"{name:20} {evaluation.accuracy:8.1%} {by_class[:3].mean():12.1%} {by_class[-3:].mean():28.1%}", end="")
    print(f" {sum(history.seconds for history in histories[name]):8.0f} s")

# %% [markdown]
# Read the table by rows, then by columns.
#
# - **Long tail**: the loss is not shared out. Compare the two right-hand columns with the first row.
# - **Classes alike**: the remedy moves accuracy from left to right. It shows the few rare images again and again, and
#   the network can learn them by heart; it cannot learn from images that are not there.
# - **Wrong labels**: the loss is shared out. The labels of every class are wrong equally often, and in no common
#   direction, so the right answer is still the most frequent one.
#
# One measurement tells more than a hundred accuracies: *what* is the rare class taken for?

# %% alt="Confusion matrix of the network trained on the long tail: rare classes are taken for frequent ones."
plots.confusion(evaluations["long tail"], title="Trained on the long tail")

# %%
rare = evaluations["long tail"].confusion[5:]  # a row for each of the five rare classes
wrong = rare.sum() - rare[:, 5:].diag().sum()
print(f"{wrong / rare.sum():.0%} of the images of the five rare classes are taken for another class;")
print(f"{rare[:, :5].sum() / wrong.clamp(min=1):.0%} of these mistakes name one of the five frequent classes")

# %% [markdown]
# And the wrong labels: did the network learn them by heart, or did it see through them? Ask it about the very images
# it was trained on, those with a wrong label.

# %%
answers = training.predict(networks["wrong labels"], noisy).argmax(dim=1).cpu()
wrong = noisy.labels != even.labels
print(f"of {int(wrong.sum()):,} training images with a wrong label, the network gives")
print(f"    the wrong label it was shown: {(answers == noisy.labels)[wrong].double().mean():.0%}")
print(f"    the right one, never shown:   {(answers == even.labels)[wrong].double().mean():.0%}")

# %% [markdown]
# A small network, trained for a short time, has no room to learn thousands of exceptions by heart, so it learns the
# rule and corrects its teachers. A large one, trained long enough, learns them all (Zhang et al., ICLR 2017): that is
# the danger in every network of the coming lessons.
#
# **What was measured here, and what was not.** One small network, few epochs, one kind of tail and the most harmless
# kind of wrong label. Real mistakes are not random: people take leopards for jaguars, not for teapots, and mistakes
# with a direction cost more. At scale `gpu` several seeds show how much of a difference is luck; below it, do not
# believe a difference of a point or two.

# %%
results.record(
    "01_datasets",
    f"three convolutions, {len(even):,} images",
    history=histories["as it is"][-1],
    profile=profiling.profile(small_network(scale.width), 32, time=True),
)
results.table(lesson="01_datasets")

# %% [markdown]
# This is the first row of the course-wide table. Every lesson adds its networks.
#
# ## 10 · Discuss
#
# For people, not for machines. A few sentences each; argue with numbers from this notebook where you can.
#
# **Question 1.** Your client has 100,000 photos of skin, 99,000 of them healthy. A supplier offers a classifier with
# an accuracy of 98.7 %. What do you answer, and what would you measure?

# %% [markdown] discuss="datasets.1"
# A classifier that never looks is right on 99 %, so 98.7 % says nothing in its favour. Measure per class: how many of
# the sick are found (recall), how many of the alarms are right (precision), over all thresholds; or at least the mean
# of the classes' accuracies. Ask on which photos it was measured: on a test set with the frequencies of the client's
# patients, or on one that somebody balanced? And what a miss costs against a false alarm, which no data set contains.

# %% [markdown]
# **Question 2.** You train on user tags from YFCC100M: an image without the tag "dog" counts as "no dog". What does a
# network learn from that, and what would Open Images' way of labelling change? What does it cost?

# %% [markdown] discuss="datasets.2"
# It learns when people *write* "dog": their own dog, large, named in the title, rather than the dog in the
# background. Most images with a dog but without the tag enter as wrong negatives, so the probabilities come out too
# low, and most so for things that nobody thinks worth a word. Open Images asks people whether the class is there, so
# a no is a no, and what was not asked is left out of the loss. The price: every question costs a person's time, so
# only those classes are asked about that a classifier proposed, and what no classifier sees is never asked about.

# %% [markdown]
# **Question 3.** Class-balanced sampling showed the images of the rarest class a hundred times as often as those of
# the most frequent one. Where did its accuracy come from, and who paid for it? When would you *not* want it?

# %% [markdown] discuss="datasets.3"
# The network sees as much of every class, so its guess in doubt no longer goes to the frequent ones: accuracy on rare
# classes rises, that on frequent ones falls, since their images are shown less often and doubt is now shared out. Not
# wanted where the test data have the same tail as the training data and every image counts alike (then the
# frequencies are information), or where the rare images are so few or so noisy that they are learned by heart.
# Reweighting the loss, or correcting the output by the logarithm of the frequencies, are alternatives with the same
# trade.

# %% [markdown]
# **Question 4.** 80 Million Tiny Images, from which CIFAR-10 was taken, was withdrawn by its makers in 2020, because
# its labels, copied from WordNet, contained slurs. CIFAR-10 itself is still in use, here too. What do the people in
# the pictures, the people who labelled them and the people judged by the networks have to do with a data set's
# licence?

# %% [markdown] discuss="datasets.4"
# A licence settles what the owner of a picture permits, and nothing about who is in it: a Creative Commons photo of a
# stranger's child is freely licensed and was still never meant to train face recognition. Labels carry the labellers'
# view, and words for people carry contempt as easily as facts. Errors are not spread evenly either; a network inherits
# from its data who is rare. Good answers separate copyright, consent, harm and quality, and name something that can be
# done: documentation (data sheets), a way to be removed, error rates by group, withdrawing.

# %% [markdown]
# ## Summary
#
# 1. An accuracy means nothing without the data it was measured on; a classifier that never looks is the first
#    baseline, the nearest neighbour the second.
# 2. CIFAR-10, ImageNet and Places365 were balanced by their makers; YFCC100M and Open Images have the long tail of
#    the world. Imbalance ratio and effective number of classes say how long.
# 3. Labels come in kinds: one a picture, many a picture with boxes and masks, free words; and with three answers:
#    yes, no, not asked.
# 4. A long tail takes accuracy from rare classes; sampling all classes alike gives part of it back. Random wrong
#    labels take some from all.
# 5. Statistics, crops, flips and sampling on whole batches cost a few tensor operations.
#
# ## Go further
#
# - Russakovsky et al., *ImageNet Large Scale Visual Recognition Challenge*, IJCV 2015: how to collect a million
#   labels.
# - Torralba & Efros, *Unbiased Look at Dataset Bias*, CVPR 2011: name that data set! A classifier can.
# - Recht et al., *Do ImageNet Classifiers Generalize to ImageNet?*, ICML 2019: a new test set, collected like the old
#   one.
# - Cui et al., *Class-Balanced Loss Based on Effective Number of Samples*, CVPR 2019: the long tail, and what to do.
# - Northcutt et al., *Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks*, NeurIPS 2021.
# - A research question: how large may a test set's own error rate be before it can no longer rank two networks?

# %%
summary("01_datasets")
