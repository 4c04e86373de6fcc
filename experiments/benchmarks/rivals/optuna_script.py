"""The script a user would write today to search networks on a folder of images.

Optuna proposes, torchvision's ImageFolder and transforms feed a DataLoader with two workers, SGD
trains three epochs over 5,000 images and reports after each, so that a pruner could act. It is
written as its libraries' own examples are, and fairly: the folder is scanned once, the loader's
workers persist over the epochs, and nothing is done twice. The networks are those of our own
``space/``, so that both train the same.

    python optuna_script.py --folder cifar10 --space space.json --architectures archs.json

Prints one JSON line per trial: accuracy, seconds, CPU-seconds (its own and its workers').
"""

import argparse
import json
import resource
import time
from pathlib import Path

import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from plugnas.space import SearchSpace

MEAN, STD = (0.491, 0.482, 0.446), (0.247, 0.243, 0.262)


def cpu_seconds():
    """CPU time of this process and of the children that have ended."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def loaders(folder, images, validation_images, size):
    """Return (training, validation) loaders over disjoint random images of ``folder/train``."""
    usual = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    resized = [transforms.Resize(size)] if size != 32 else []
    moved = [transforms.RandomCrop(size, padding=size // 8), transforms.RandomHorizontalFlip()]
    train = ImageFolder(f"{folder}/train", transforms.Compose([*resized, *moved, *usual]))
    plain = ImageFolder(f"{folder}/train", transforms.Compose([*resized, *usual]))
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = order[:images], order[images : images + validation_images]
    return (
        DataLoader(
            Subset(train, chosen[0]),
            batch_size=64,
            shuffle=True,
            num_workers=2,
            persistent_workers=True,
        ),
        DataLoader(
            Subset(plain, chosen[1]), batch_size=256, num_workers=2, persistent_workers=True
        ),
    )


def train_network(network, train, validation, epochs, trial):
    """Train with SGD and return the accuracy after the last epoch."""
    optimiser = torch.optim.SGD(
        network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    criterion = nn.CrossEntropyLoss()
    accuracy = 0.0
    for epoch in range(epochs):
        network.train()
        for x, y in train:
            optimiser.zero_grad()
            loss = criterion(network(x), y)
            loss.backward()
            optimiser.step()
        network.eval()
        correct = total = 0
        with torch.no_grad():
            for x, y in validation:
                correct += (network(x).argmax(1) == y).sum().item()
                total += len(y)
        accuracy = correct / total
        trial.report(accuracy, epoch)
    return accuracy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    parser.add_argument("--space", required=True)
    parser.add_argument("--architectures", required=True)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--validation-images", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--threads", type=int, help="default: torch's, one per core")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = SearchSpace.from_config(
        json.loads(Path(args.space).read_text()), (3, args.size, args.size), 10
    )
    architectures = json.loads(Path(args.architectures).read_text())

    # A first step, so that what torch loads once per process is not charged to the first trial.
    first = space.build(space.architecture(architectures[0]))
    first(torch.randn(4, 3, args.size, args.size)).sum().backward()
    torch.optim.SGD(first.parameters(), lr=0.1).step()

    def objective(trial):
        started, cpu = time.perf_counter(), cpu_seconds()
        index = trial.suggest_categorical("architecture", range(len(architectures)))
        torch.manual_seed(args.seed)
        network = space.build(space.architecture(architectures[index]))
        train, validation = loaders(args.folder, args.images, args.validation_images, args.size)
        accuracy = train_network(network, train, validation, args.epochs, trial)
        del train, validation  # ends their workers, so that their CPU time is counted
        result = {"accuracy": accuracy, "seconds": time.perf_counter() - started}
        print(json.dumps({**result, "cpu_seconds": cpu_seconds() - cpu}), flush=True)
        return accuracy

    study = optuna.create_study(direction="maximize")
    for index in range(len(architectures)):
        study.enqueue_trial({"architecture": index})
    study.optimize(objective, n_trials=len(architectures))


if __name__ == "__main__":
    main()
