"""How each publisher builds, runs, prepares pictures for and saves a network: what models_table.py's rows are made of."""
import collections
import json
import os
from dataclasses import dataclass, field
from typing import Callable

import torch
import torch.nn as nn
import torchvision
import torchvision.transforms.v2 as T

from random_weights import NoInitialisation, fill

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

# What a picture goes through: mode "center" resizes the shorter side to `resize` and cuts `size`, "squash" resizes both.
Recipe = collections.namedtuple("Recipe", "size mode resize filter mean std")


@dataclass
class Case:
    model: nn.Module
    run: Callable  # (model, [1, 3, h, w]) -> {kind of features: [1, ...]}
    transform: Callable  # PIL image -> [3, h, w]
    recipe: Recipe  # what `transform` does
    save: Callable  # folder -> path to give to --weights
    flags: list = field(default_factory=list)  # what no checkpoint of this kind can say


@dataclass
class Row:
    name: str
    scheme: str
    container: str
    build: Callable  # row -> Case
    photos: int = 6


def create(make):
    with NoInitialisation():
        model = make()
    return fill(model.eval())


# ---- recipes ----


def classic(size, resize, filter, normalisation):
    """Resize the shorter side, cut the centre: the evaluation of facebookresearch's and Microsoft's repositories."""
    mode = {"bicubic": T.InterpolationMode.BICUBIC, "bilinear": T.InterpolationMode.BILINEAR}[filter]
    transform = T.Compose([T.Resize(resize, mode), T.CenterCrop(size), T.PILToTensor(),
                           T.ToDtype(torch.float32, scale=True), T.Normalize(*normalisation)])
    return transform, Recipe(size, "center", resize, filter, *normalisation)


def squash(size, filter, normalisation):
    mode = {"bicubic": T.InterpolationMode.BICUBIC, "bilinear": T.InterpolationMode.BILINEAR}[filter]
    transform = T.Compose([T.Resize((size, size), mode), T.PILToTensor(),
                           T.ToDtype(torch.float32, scale=True), T.Normalize(*normalisation)])
    return transform, Recipe(size, "squash", size, filter, *normalisation)


# ---- containers ----


def save_pth(nested, name, legacy=False):
    def save(folder):
        path = os.path.join(folder, name)
        torch.save(nested() if callable(nested) else nested, path, _use_new_zipfile_serialization=not legacy)
        return path

    return save


# ---- timm ----


def timm_run(model, x):
    tokens = model.forward_features(x)
    pooled = model.forward_head(tokens, pre_logits=True)
    outputs = {"pooled": pooled}
    if model.num_classes > 0 and not isinstance(model.get_classifier(), nn.Identity):
        # A CLIP tower's head is its projection, until it is fine-tuned to classes.
        is_projection = "clip" in model.pretrained_cfg["architecture"] and model.num_classes not in (1000, 11821, 21841)
        kind = "projected" if is_projection else "logits"
        outputs[kind] = model.forward_head(tokens)
    return outputs


def timm_transform(model, size=None):
    import timm.data

    wanted = {} if size is None else {"input_size": (3, size, size)}
    config = timm.data.resolve_data_config(wanted, pretrained_cfg=model.pretrained_cfg)
    side, mode = config["input_size"][1], config["crop_mode"]
    resize = side if mode == "squash" else int(side / config["crop_pct"])
    recipe = Recipe(side, mode, resize, config["interpolation"], config["mean"], config["std"])
    return timm.data.create_transform(**config), recipe


def timm_hub(name, size=None, config=None, run=timm_run, weights="safetensors", **arguments):
    """timm's own hub folder. `config` changes what the folder says, `size` is asked for on top of the folder: position
    tables are then resampled."""

    def build(row):
        import timm

        model = create(lambda: timm.create_model(name, pretrained=False, **arguments))
        model.pretrained_cfg.update(config or {})
        saved = model.state_dict() if size else None
        transform, recipe = timm_transform(model, size)

        def save(folder):
            if saved:
                model_at_its_size = timm.create_model(name, pretrained=False, **arguments)
                model_at_its_size.load_state_dict(saved)
            else:
                model_at_its_size = model
            path = os.path.join(folder, name)
            timm.models.save_for_hf(model_at_its_size, path, safe_serialization=weights == "safetensors")
            return path

        flags = []
        if size:
            model.set_input_size(img_size=size)  # makes a new table: `saved` keeps the old one
            flags = ["--input-size", str(size)]
        return Case(model, run, transform, recipe, save, flags)

    return build


def timm_named(name, state, file, recipe, legacy=False, run=timm_run, wrap=lambda s: s, extra=dict, size=None, **arguments):
    """timm's network in a file under names that another repository publishes: state(model) -> {published name: tensor}
    and `extra` ones, wrap() as its training wrote them. `size`: position tables are resampled to it after saving."""

    def build(row):
        import timm

        model = create(lambda: timm.create_model(name, pretrained=False, **arguments))
        published = dict(state(model))
        published.update(extra())
        if size:
            model.set_input_size(img_size=size)  # makes a new table: what is published keeps the old one
        transform, what = recipe
        return Case(model, run, transform, what, save_pth(lambda: wrap(published), file, legacy))

    return build


# ---- torchvision ----


def torchvision_pth(name, weights, head="fc", legacy=False):
    """torchvision's state dict under the file name of its weights; `head`: the module whose input are the features."""

    def build(row):
        enum = torchvision.models.get_model_weights(name)[weights]
        transform = enum.transforms()
        classes = len(enum.meta["categories"])
        size = transform.crop_size[0]
        arguments = {"image_size": size} if name.startswith("vit_") else {}
        model = create(lambda: torchvision.models.get_model(name, weights=None, num_classes=classes, **arguments))
        recipe = Recipe(size, "center", transform.resize_size[0], transform.interpolation.value, transform.mean,
                        transform.std)
        kept = {}
        module = model.get_submodule(head)
        module.register_forward_pre_hook(lambda _, inputs: kept.update(pooled=inputs[0]))

        def run(model, x):
            logits = model(x)
            return {"pooled": kept["pooled"].flatten(1), "logits": logits}

        file = enum.url.rsplit("/", 1)[-1]
        return Case(model, run, transform, recipe, save_pth(lambda: model.state_dict(), file, legacy))

    return build


# ---- transformers ----

def transformers_folder(make, processor, run, rename=None):
    """save_pretrained()'s folder. `processor`: (class of the PIL-backed image processor, what its file says, the name
    that the publisher's file carries)."""

    def build(row):
        model = create(make)
        kind, settings, published = processor
        preprocess = kind(**settings)

        def transform(image):
            return preprocess(images=image, return_tensors="pt")["pixel_values"][0]

        def save(folder):
            path = os.path.join(folder, row.name.replace("/", "--"))
            model.save_pretrained(path)
            if rename:
                from safetensors.torch import load_file, save_file

                file = os.path.join(path, "model.safetensors")
                save_file({rename(k): v for k, v in load_file(file).items()}, file, {"format": "pt"})
            with open(os.path.join(path, "preprocessor_config.json"), "w") as file:
                json.dump({"image_processor_type": published, **settings}, file, indent=2)
            return path

        return Case(model, run, transform, processor_recipe(preprocess, settings), save)

    return build


def processor_recipe(processor, settings):
    filter = {0: "nearest", 2: "bilinear", 3: "bicubic"}[settings["resample"]]
    size = processor.size if isinstance(processor.size, dict) else dict(processor.size)
    size = {k: v for k, v in size.items() if v}
    mean, std = tuple(settings["image_mean"]), tuple(settings["image_std"])
    if "crop_pct" in settings:
        side = size["shortest_edge"]
        if side >= 384:
            return Recipe(side, "squash", side, filter, mean, std)
        return Recipe(side, "center", int(side / settings["crop_pct"]), filter, mean, std)
    if "shortest_edge" in size:
        return Recipe(settings["crop_size"]["height"], "center", size["shortest_edge"], filter, mean, std)
    if settings.get("do_center_crop"):
        return Recipe(settings["crop_size"]["height"], "resize-crop", size["height"], filter, mean, std)
    return Recipe(size["height"], "squash", size["height"], filter, mean, std)
