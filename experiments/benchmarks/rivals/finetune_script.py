"""The script a user would write today to fine-tune a plugged network on a folder of images.

It follows torchvision's transfer learning tutorial: ImageFolder and transforms feed a DataLoader
with two workers, SGD trains, and every epoch is scored. With ``--frozen`` the host's weights take
no gradient and its normalisation layers stay as they are, as the tutorial's feature extractor; its
maps are then computed in every epoch. The folder is scanned once, the loader's workers persist, and
nothing is done twice. The network is one of our own ``space/``, so that both train the same.

    python finetune_script.py --folder cifar10 --space space.json --site layer3 --plug se

Prints one JSON line per seed: accuracy, seconds, CPU-seconds (its own and its workers').
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from plugnas.space import SearchSpace

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # with which the host was trained


def cpu_seconds():
    """CPU time of this process and of the children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def loaders(folder, images, validation_images, batch_size):
    """Return (training, validation) loaders over disjoint random images of ``folder/train``."""
    usual = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    train = ImageFolder(
        f"{folder}/train", transforms.Compose([transforms.RandomHorizontalFlip(), *usual])
    )
    plain = ImageFolder(f"{folder}/train", transforms.Compose(usual))
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = order[:images], order[images : images + validation_images]
    kept = {"num_workers": 2, "persistent_workers": True}
    return (
        DataLoader(Subset(train, chosen[0]), batch_size=batch_size, shuffle=True, **kept),
        DataLoader(Subset(plain, chosen[1]), batch_size=256, **kept),
    )


def training_mode(network, frozen):
    """Set the network to training; a frozen host's normalisation layers stay as they are."""
    network.train()
    for module in network.modules() if frozen else ():
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.BatchNorm2d) and not any(p.requires_grad for p in own):
            module.eval()


def fine_tune(network, train, validation, args):
    """Train with SGD, scored after each epoch; return the accuracy after the last one."""
    new = [p for n, p in network.named_parameters() if args.is_new(n)]
    old = [p for n, p in network.named_parameters() if not args.is_new(n)]
    groups = [{"params": new, "lr": 0.02}]
    if args.frozen:
        for parameter in old:
            parameter.requires_grad = False
    else:
        groups.append({"params": old, "lr": 0.002})
    optimiser = torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, args.epochs * len(train))
    criterion = nn.CrossEntropyLoss()
    accuracy = 0.0
    for _ in range(args.epochs):
        training_mode(network, args.frozen)
        for x, y in train:
            optimiser.zero_grad()
            loss = criterion(network(x), y)
            loss.backward()
            optimiser.step()
            scheduler.step()
        network.eval()
        correct = total = 0
        with torch.no_grad():
            for x, y in validation:
                correct += (network(x).argmax(1) == y).sum().item()
                total += len(y)
        accuracy = correct / total
    return accuracy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--space", required=True, help="the host and its sites, as JSON")
    parser.add_argument("--base", required=True, help="folder of the host's file")
    parser.add_argument("--site", required=True)
    parser.add_argument("--plug", default="se")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--validation-images", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    space = SearchSpace.from_config(
        json.loads(Path(args.space).read_text()), (3, 32, 32), 10, base=Path(args.base)
    )
    values = {**space.host.unchanged(), f"after.{args.site}.attention": args.plug}
    host = set(dict(space.build(space.architecture(space.host.unchanged())).named_parameters()))
    args.is_new = lambda name: name not in host or name.startswith("linear.")

    # A first step, so that what torch loads once per process is not charged to the first seed.
    first = space.build(space.architecture(values))
    first(torch.randn(4, 3, 32, 32)).sum().backward()
    torch.optim.SGD(first.parameters(), lr=0.1).step()

    for seed in range(args.seeds):
        started, cpu = time.perf_counter(), cpu_seconds()
        torch.manual_seed(seed)
        network = space.build(space.architecture(values))
        train, validation = loaders(
            args.folder, args.images, args.validation_images, args.batch_size
        )
        accuracy = fine_tune(network, train, validation, args)
        del train, validation  # ends their workers, so that their CPU time is counted
        result = {"accuracy": accuracy, "seconds": time.perf_counter() - started}
        print(json.dumps({**result, "cpu_seconds": cpu_seconds() - cpu}), flush=True)


if __name__ == "__main__":
    main()
