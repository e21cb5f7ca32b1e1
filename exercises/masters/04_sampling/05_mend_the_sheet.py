# title: Mend a sheet of samples
# chapter: 04_sampling
# goal: draw images with both randomnesses and the right spreads
# kind: mend
# minutes: 15
# points: 3
# difficulty: 2
# passage: Samples or means
# answer: draw_images
# returns: tensor
# plant: 2
# removes: vae_lib.vae.VAE.sample, vae_lib.likelihoods.Likelihood.sample

# %% statement
r"""
`draw_images` should draw images from a VAE whose prior is $\mathcal{N}(0, I)$ and whose decoder gives `(batch, 2 * pixels)` numbers: first
the means of all pixels, then $\log \sigma$ of all pixels. Latents are drawn at the given `temperature` (the standard
deviation of $z$); the pixels are drawn as the likelihood says. All noise is passed in: `z_noise` of shape `(batch, z_dim)`, `x_noise` of shape
`(batch, pixels)`. Images lie in $[0, 1]$: whatever is drawn outside is cut off. No other noise is drawn: the same noise gives the same images. The code has **two faults**. Mend them.
"""

# %% given
import torch

# %% solution
def draw_images(decoder, z_noise, x_noise, temperature):
    """Images (batch, pixels) in [0, 1], drawn from the model at a temperature."""
    z = temperature * z_noise
    params = decoder(z)
    mean, log_sigma = params.chunk(2, dim=-1)
    sigma = torch.exp(log_sigma)
    x = mean + sigma * x_noise
    return x.clamp(0, 1)

# %% why
r"""
Hold each line against the quantity that it must be. `z` is a draw from $\mathcal{N}(0, \tau^2 I)$: the temperature $\tau$ is a standard deviation
and multiplies its noise, once. The first half of `params` holds the means, the second half $\log \sigma$; the exponential of that is $\sigma$, with
no factor in front of the logarithm. `x` is the mean plus $\sigma$ times its noise, without a temperature. What was drawn, and not the mean, is cut
off.

Switch one chance off at a time to find a fault. With `x_noise` at 0 each image must be the mean at its $z$; with `z_noise` at 0 all images share one
mean, and their spread is $\sigma$. Test away from $\tau = 1$, where product, quotient and square agree, and away from $\log \sigma = 0$, where
$\sigma = \sigma^2$.

Some faults flatter. Where $\sigma < 1$, a draw with $\sigma^2$ has less grain than the model says, and a sheet of means has none. Both look calmer,
and neither shows samples of the model.
"""

# %% inputs
def inputs(rng):
    return {"z_noise": rng.normal(5, 2), "x_noise": rng.normal(5, 4), "temperature": round(rng.uniform(0.5, 0.9), 3),
            "weight": 0.3 * rng.normal(2, 8)}

# %% probe
def probe(answer, z_noise, x_noise, temperature, weight):
    shift = torch.cat([torch.full((4,), 0.5), torch.full((4,), -1.2)])

    def decoder(z):
        return 0.5 * z @ weight + shift

    images = answer(decoder, z_noise, x_noise, temperature)
    return {"images": images,
            "images_without_noise_in_the_pixels": answer(decoder, z_noise, 0 * x_noise, temperature),
            "images_with_means_outside_of_0_and_1": answer(lambda z: torch.cat([9 * z[:, :1], z[:, :1] * 0], 1), z_noise, x_noise[:, :1], temperature),
            "change_from_one_call_to_the_next": answer(decoder, z_noise, x_noise, temperature) - images}

# %% laws
def laws(seen, z_noise, x_noise, temperature, weight):
    yield seen["images"].shape == (5, 4), "there is one image for each row of noise"
    yield seen["images"].min() >= 0 and seen["images"].max() <= 1, "pixels lie between 0 and 1", "Cut off what lies below 0 and what lies above 1, after the noise was added."
    mean = (0.5 * temperature * z_noise @ weight + 0.5)[:, :4]
    drawn = (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any()  # then the other laws say nothing
    yield drawn or (seen["images_without_noise_in_the_pixels"] - mean.clamp(0, 1)).abs().max() < 1e-3, "without noise in the pixels the images are the means", \
        "Without noise in the pixels an image is the mean at z, cut off: is z the temperature times its noise, and the mean the first half of what the decoder gives?"
    yield (seen["images"] - seen["images_without_noise_in_the_pixels"]).abs().max() > 0.01, "the pixels are drawn"
    yield not (seen["change_from_one_call_to_the_next"].abs() > 1e-4).any(), "the same noise gives the same images", \
        "The noise is passed in: use `z_noise` and `x_noise`, and draw nothing of your own."
    log_sigma = (0.5 * temperature * z_noise @ weight - 1.2)[:, 4:]
    free = mean + log_sigma.exp() * x_noise
    inside = (free > 0) & (free < 1)
    fits = ((seen["images"] - free).abs() < 1e-3)[inside].all()  # then the fault is in how it is cut off
    yield drawn or (seen["images"] - (mean + log_sigma.exp() * x_noise).clamp(0, 1)).abs().max() < 1e-3, "pixels spread around their means by σ", \
        "The pixels that are drawn between 0 and 1 are right, and others are not: what lies below 0 becomes 0, and what lies above 1 becomes 1." if fits else \
        "The pixels do not spread as the likelihood says: to the mean add σ times `x_noise`, with its sign, where the second half of what the decoder gives is log σ."

# %% right: from torch.distributions' own parameters, in float64
def draw_images(decoder, z_noise, x_noise, temperature):
    params = decoder(z_noise * temperature).double()
    half = params.shape[-1] // 2
    q = torch.distributions.Normal(params[:, :half], params[:, half:].exp())
    return torch.minimum(torch.maximum(q.mean + q.stddev * x_noise, torch.tensor(0.0)), torch.tensor(1.0))

# %% right: image by image
def draw_images(decoder, z_noise, x_noise, temperature):
    rows = []
    for a, b in zip(z_noise, x_noise):
        out = decoder((temperature * a)[None])[0]
        x = out[:len(b)] + b * 2.718281828459045 ** out[len(b):]
        rows.append(torch.where(x < 0, 0.0, torch.where(x > 1, 1.0, x)))
    return torch.stack(rows)

# %% wrong: means for samples
# hint: The pixels are not drawn: these are means, one of the two randomnesses is left out.
#- x = mean + sigma * x_noise
#+ x = mean

# %% wrong: the temperature on the pixels too
# hint: The temperature also shrinks the pixels' noise. It belongs to z alone; the likelihood stays as it is.
#- x = mean + sigma
#+ x = mean + temperature * sigma

# %% wrong: no temperature
# hint: The latents are drawn at temperature 1: `temperature` is not used for z.
#- z = temperature * z_noise
#+ z = z_noise

# %% wrong: log sigma read as log variance
# hint: The decoder gives log σ, and it is read as log σ²: half of it is taken.
#- torch.exp(log_sigma)
#+ torch.exp(0.5 * log_sigma)

# %% wrong: log sigma for sigma
# hint: The noise is multiplied by log σ, which is negative here. Take the exponential first.
#- torch.exp(log_sigma)
#+ log_sigma

# %% wrong: mean and spread the wrong way round
# hint: Means and log σ are taken from the wrong halves of the decoder's output.
#- mean, log_sigma = params
#+ log_sigma, mean = params

# %% wrong: not cut off
# hint: Some pixels lie outside of [0, 1]: they are to be cut off.
#- x.clamp(0, 1)
#+ x

# %% wrong: squashed and not cut off
# hint: A sigmoid moves all pixels, also those that lie in [0, 1] already. Outside ones are cut off, the others stay.
#- x.clamp(0, 1)
#+ torch.sigmoid(x)

# %% wrong: the temperature as a variance
# hint: The temperature is the standard deviation of z. You use its square root, as if it were a variance.
#- z = temperature * z_noise
#+ z = temperature**0.5 * z_noise

# %% wrong: the variance for sigma
# hint: The noise is multiplied by σ², the exponential of 2 log σ. It belongs to σ.
#- torch.exp(log_sigma)
#+ torch.exp(2 * log_sigma)

# %% wrong: a softplus in place of the exponential
# hint: You make the spread positive by a softplus. The decoder gives log σ, and the inverse of a logarithm is the exponential.
#- torch.exp(log_sigma)
#+ torch.nn.functional.softplus(log_sigma)

# %% wrong: log sigma without its sign
# hint: You take log σ without its sign as the spread. The inverse of a logarithm is the exponential.
#- torch.exp(log_sigma)
#+ log_sigma.abs()

# %% wrong: the temperature squared
# hint: The temperature is squared. It is the standard deviation of z already, and multiplies the noise once.
#- z = temperature * z_noise
#+ z = temperature**2 * z_noise

# %% wrong: divided by the temperature
# hint: The noise of z is divided by the temperature. A low temperature keeps z near the middle, so it multiplies.
#- z = temperature * z_noise
#+ z = z_noise / temperature

# %% wrong: every other number a mean
# hint: You take every other number for a mean. The means stand first, all of them, and then all log σ.
#- mean, log_sigma = params.chunk(2, dim=-1)
#+ mean, log_sigma = params[..., ::2], params[..., 1::2]

# %% wrong: the mean cut off first
# hint: You cut the mean off before the noise is added. A mean outside of [0, 1] is as the decoder says; only what was drawn is cut off.
#- x = mean + sigma
#+ x = mean.clamp(0, 1) + sigma

# %% wrong: only the mean cut off
# hint: You cut off the mean, and then add noise to it. What was drawn lies outside of [0, 1] in places: cut that off.
#- x = mean + sigma * x_noise
#+ x = mean.clamp(0, 1) + sigma * x_noise
#- x.clamp(0, 1)
#+ x

# %% wrong: cut off below alone
# hint: Only what lies below 0 is cut off. Pixels above 1 are left.
#- x.clamp(0, 1)
#+ x.clamp(min=0)

# %% wrong: stretched between the extremes
# hint: You stretch the images between the smallest and the largest pixel, which moves all of them. Cut off what lies outside, and leave the rest.
#- x.clamp(0, 1)
#+ (x - x.min()) / (x.max() - x.min())
