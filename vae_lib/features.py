"""Two networks that turn an image into the features on which sets of images are compared.

They differ in architecture and in objective, so that a ranking that both give is not one network's taste:
`features-classes` is convolutional and was trained to name the class, `features-patches` is fully connected and was
trained, without labels, to fill in hidden patches. Both know MNIST and Fashion-MNIST, grey and binarised.
"""

import torch
import torch.nn.functional as F
from torch import nn

from vae_lib import data
from vae_lib.checks import check_images, check_values

__all__ = ["KINDS", "NAMES", "Classes", "Patches", "load", "of"]

NAMES = ("features-classes", "features-patches")
X_SHAPE = (1, 28, 28)


class Features(nn.Module):
    """x `(n, 1, 28, 28)` in [0, 1] -> features `(n, d)`, of variance 1 on average over the images of one data set.

    So an image set of real means that never varies has a Fréchet distance of about d from the real images.
    """

    def __init__(self, body, d):
        super().__init__()
        self.body, self.d, self.x_shape = body, d, X_SHAPE
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        """The features `(n, d)`. Raises a clear error for a wrong shape, dtype or range."""
        check_images(x, X_SHAPE)
        check_values(x)
        return self.body(x) / self.scale

    @torch.no_grad()
    def standardise(self, sets):
        """Set the scale, from a list of image sets: the variance of a feature within a set, averaged, becomes 1."""
        self.scale.fill_(1)
        variances = torch.stack([of(self, x).var(0).mean() for x in sets])
        self.scale.copy_(variances.mean().sqrt())


class Classes(Features):
    """A small convolutional classifier of the 20 classes of both data sets; its last hidden layer are the features."""

    score = "cross_entropy"

    def __init__(self, d=64, width=16, classes=20):
        super().__init__(nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1), nn.ReLU(), nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * width, d), nn.ReLU()), d)
        self.head = nn.Linear(d, classes)

    def logits(self, x):
        """The logits of the 20 classes, `(n, 20)`: ten digits, then ten garments."""
        return self.head(self.body(x))

    def classify(self, x, name):
        """p(y|x) over the ten classes of the data set `name`, `(n, 10)`, the other set's classes left out."""
        if name not in data.SETS:
            raise ValueError(f"name must be one of {data.SETS}, got {name!r}")
        check_images(x, X_SHAPE)
        first = 10 * data.SETS.index(name)
        return self.logits(x)[:, first:first + 10].softmax(1)

    def loss(self, x, y):
        return F.cross_entropy(self.logits(x), y, reduction="none")


class Patches(Features):
    """A fully connected autoencoder with tied weights that sees half of an image's 16 patches and draws all of it.

    The features are its code for the whole image. Source: Vincent et al. 2010, with patches as the noise.
    """

    score = "cross_entropy_of_pixels"

    def __init__(self, d=64, hidden=192):
        first, second = nn.Linear(784, hidden), nn.Linear(hidden, d)
        super().__init__(nn.Sequential(nn.Flatten(), first, nn.GELU(), second), d)
        self.back = nn.ParameterList([torch.zeros(hidden), torch.zeros(784)])  # the biases of the way back

    def fill_in(self, x):
        """Logits of all pixels, `(n, 784)`, from an image of which patches are hidden (zero)."""
        hidden = F.gelu(F.linear(self.body(x), self.body[3].weight.T, self.back[0]))
        return F.linear(hidden, self.body[1].weight.T, self.back[1])

    def loss(self, x, y):
        seen = (torch.rand(len(x), 1, 4, 4, device=x.device) < 0.5).float()
        seen = seen.repeat_interleave(7, 2).repeat_interleave(7, 3)
        logits = self.fill_in(x * seen)
        return F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="none").sum(1)


KINDS = {"classes": Classes, "patches": Patches}


def load(name, device="cpu"):
    """A trained feature network, `features-classes` or `features-patches`, in evaluation mode: x -> `(n, d)`."""
    from vae_lib import pretrained  # which builds these networks
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return pretrained.load(name, device=device)


@torch.no_grad()
def of(network, images, batch_size=1000):
    """The features of images in [0, 1], `(n, d)`, on the CPU, a batch at a time.

    Example
        >>> of(load("features-classes"), torch.rand(5, 1, 28, 28)).shape
        torch.Size([5, 64])
    """
    check_images(images, X_SHAPE, "images")
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).cpu() for part in images.split(batch_size)])


# How they are trained

def loss(model, x, step=0):
    """The loss of images with their label in a second channel, `(batch,)`: see `data.labelled`."""
    return model.loss(x[:, :1], x[:, 1, 0, 0].long())


def half_drawn(x):
    """Every second image binarised, the others grey; the labels as they are."""
    x = data.labelled_floats(x)
    x[::2, :1] = data.binarize(x[::2, :1])
    return x


def training_images(split):
    """The images of both data sets with labels 0 to 19, `(n, 2, 28, 28)` uint8, in one fixed random order."""
    parts = [data.labelled(data.load(name, split), 10 * i) for i, name in enumerate(data.SETS)]
    both = torch.cat(parts)
    return both[torch.randperm(len(both), generator=torch.Generator().manual_seed(0))]


def validation_images():
    """2,000 of each set as floats `(4000, 2, 28, 28)`: every second one in a fixed draw of its pixels."""
    x = data.labelled_floats(training_images("validation"))
    x[::2, :1] = data.binarize(x[::2, :1], torch.Generator().manual_seed(0))
    return x


@torch.no_grad()
def finish(model):
    """Set the scale from the training images; the test accuracies of a classifier, in percent, as a dict."""
    model.eval()
    model.standardise([data.load(name).floats() for name in data.SETS])
    if not isinstance(model, Classes):
        return {}
    found = {}
    for name in data.SETS:
        test = data.load(name, "test")
        for kind, x in (("grey", test.floats()), ("binarised", data.static_binarized(name))):
            guess = torch.cat([model.classify(part, name).argmax(1) for part in x.split(1000)])
            found[f"{name}, {kind}"] = round(100 * (guess == test.labels).double().mean().item(), 2)
    return {"test_accuracy_percent": found}
